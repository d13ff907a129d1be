"""Endpoints and deployments, and the inference servers behind them."""
