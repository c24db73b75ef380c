"""Callbacks: what `fit` tells about itself as it goes, and what is done about it. Names and defaults are those of ``keras.callbacks``."""

from fastcnn.callbacks.base import Callback, CallbackList, History
from fastcnn.callbacks.logs import CSVLogger, LambdaCallback, TensorBoard
from fastcnn.callbacks.monitors import EarlyStopping, LearningRateScheduler, ModelCheckpoint, ReduceLROnPlateau, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
