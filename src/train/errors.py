"""What training says when it cannot go on. The shell prints the message alone and exits with code 1.

TrainingError
├── DataError      the folder, its files, or a column cannot be trained on
├── TargetError    the target, its positive value, or its classes
├── ModelError     the fitted pipeline could not be served
└── OutputError    an output folder cannot be written
"""

from __future__ import annotations


class TrainingError(Exception):
    """Base of everything that training reports to its user."""


class DataError(TrainingError):
    """A folder, file or column of the data does not allow training; the message names it and the way out."""


class TargetError(TrainingError):
    """The target column is absent, or its values are not two classes to tell apart."""


class ModelError(TrainingError):
    """The scoring script would not load the fitted pipeline."""


class OutputError(TrainingError):
    """A model or report file could not be written."""
