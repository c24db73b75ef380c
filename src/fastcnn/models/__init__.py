"""Models, with Keras's names: `Model` for networks of any shape, `Sequential` for layers in a row, and files of both."""

from fastcnn.models.model import Model
from fastcnn.models.saving import load_model
from fastcnn.models.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model"]
