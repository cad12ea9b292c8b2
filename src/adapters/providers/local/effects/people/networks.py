"""The two networks: loaded once per process, on one thread, from files of this package."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FACE_SIDE = 128
PEOPLE_SIDE = 256
"""Width and height in pixels of what the networks look at."""

_FOLDER = Path(__file__).parent


class Network:
    """A network of one input, a picture of floats, and one or more outputs. Threads take turns."""

    def __init__(self, file: str) -> None:
        self._interpreter: Any = Interpreter(str(_FOLDER / file), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [output["index"] for output in self._interpreter.get_output_details()]
        self._turn = threading.Lock()

    def run(self, picture: Floats) -> list[Floats]:
        with self._turn:
            self._interpreter.set_tensor(self._input, picture[np.newaxis])
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(output)[0] for output in self._outputs]


@lru_cache(maxsize=1)
def people_network() -> Network:
    """RGB from 0 to 1, 256 × 256, to the probability of a person in each pixel."""
    return Network("selfie_segmentation.tflite")


@lru_cache(maxsize=1)
def face_network() -> Network:
    """RGB from -1 to 1, 128 × 128, to 896 boxes and their scores."""
    return Network("face_detection_short_range.tflite")


def pixels(image: pyvips.Image) -> Floats:
    """A libvips image as an array of rows, columns and bands."""
    data = np.frombuffer(image.cast("float").write_to_memory(), np.float32)
    return data.reshape(image.height, image.width, image.bands)


def picture(values: Floats) -> pyvips.Image:
    """An array of rows, columns and perhaps bands as a libvips image of floats."""
    height, width = values.shape[:2]
    bands = values.shape[2] if values.ndim == 3 else 1
    data = np.ascontiguousarray(values, np.float32).tobytes()
    return pyvips.Image.new_from_memory(data, width, height, bands, "float")
