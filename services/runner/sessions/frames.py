"""The frames of the harness, as the host uses them: one codec for both sides."""

from services.runner.runtime.harness.frames import PART, Decoder, FrameError, encode

__all__ = ["PART", "Decoder", "FrameError", "encode"]
