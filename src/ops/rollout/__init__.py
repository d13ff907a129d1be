"""From the old deployment to the new one in steps: the state machine, its memory, its evidence, its report."""
