"""Layers, with Keras's names, defaults and numerics: the building blocks of `fastcnn.Sequential`.

``base.py`` says what a layer is; the others hold the layers by family. Arrays are (N, H, W, C).
"""

from fastcnn.layers.activations import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from fastcnn.layers.augmentation import (
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from fastcnn.layers.base import Layer
from fastcnn.layers.conv import Conv2D, Conv2DTranspose, DepthwiseConv2D, SeparableConv2D
from fastcnn.layers.core import Dense, Dropout, Flatten, Input, InputLayer, SpatialDropout2D
from fastcnn.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from fastcnn.layers.normalization import BatchNormalization, GroupNormalization, LayerNormalization
from fastcnn.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from fastcnn.layers.preprocessing import Normalization, Rescaling
from fastcnn.layers.reshaping import Cropping2D, Permute, Reshape, UpSampling2D, ZeroPadding2D

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "Softmax",
    "SpatialDropout2D",
    "Subtract",
    "UpSampling2D",
    "ZeroPadding2D",
]
