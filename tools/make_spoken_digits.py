"""Synthesize the spoken digits of lesson 8's appendix: `python tools/make_spoken_digits.py`.

Needs the program espeak-ng (Debian: `apt-get install espeak-ng`). Its voices are rules and
formants, no recordings of anybody. What it writes is trimmed, brought to 8,000 samples per second
and 8 bits, and packed into one file.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from beyond.vision.audio import RATE, SPOKEN

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

VOICES = {
    "en-us": (50, 150),
    "en-gb": (45, 160),
    "en-gb-scotland": (55, 150),
    "en-029": (50, 145),
    "en-us+f2": (60, 155),
    "en-gb+f4": (55, 150),
    "en-us+m3": (40, 165),
    "en-gb+m7": (50, 140),
    "en-us+f5": (65, 160),
    "en-gb-x-rp+m1": (45, 150),
    "en-gb-x-gbclan": (50, 150),
    "en-us+f3": (58, 150),
    "en-gb+m4": (42, 155),
    "en-029+f1": (62, 150),
}
"""Voices of espeak-ng, each with its pitch (0 to 99) and its speed in words per minute."""

THEIRS, HEADER = 22_050, 44
"""Samples per second of espeak-ng, and the bytes before them."""

QUIET = 0.02
"""Samples below this fraction of the loudest one are trimmed at both ends."""


def spoken(voice: str, pitch: int, speed: int, word: str) -> np.ndarray:
    """Return a word as 8-bit samples, trimmed."""
    program = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    wave = subprocess.run(program, check=True, capture_output=True, timeout=30).stdout
    # Written to a pipe, the file's header can't say its length.
    sound = resample_poly(np.frombuffer(wave[HEADER:], "<i2").astype(np.float64), RATE, THEIRS)
    loud = np.flatnonzero(abs(sound) > QUIET * abs(sound).max())
    sound = sound[loud[0] : loud[-1] + 1]
    return np.rint(sound / abs(sound).max() * 127).astype(np.int8)


def main(arguments: list[str] | None = None) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=SPOKEN, help="file to write")
    target = parser.parse_args(arguments).to
    arrays = {
        f"{voice} {digit}": spoken(voice, *settings, word)
        for voice, settings in VOICES.items()
        for digit, word in enumerate(DIGITS)
    }
    np.savez_compressed(target, **arrays)  # type: ignore[arg-type]  # the names are voices
    print(f"{target}: {len(arrays)} words, {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
