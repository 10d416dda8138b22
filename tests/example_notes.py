"""What the clips of example_input/ play: scales, chords, patterns and beats, as notes."""

from typing import NamedTuple

import numpy as np
from example_clips import Clip

LEAD_SECONDS = 0.05  # keeps the first onset, and the pre-echo an mp3 gives it, off the file's border
TAIL_SECONDS = 1.2  # what the last chord or hit gets to ring

# Semitones above the key note, and chord progressions (as scale degrees) without the mode's diminished chord.
MODES = {
    "major": ((0, 2, 4, 5, 7, 9, 11), ((0, 4, 5, 3), (0, 5, 3, 4), (0, 2, 3, 4))),
    "minor": ((0, 2, 3, 5, 7, 8, 10), ((0, 5, 2, 6), (0, 3, 5, 6), (0, 6, 5, 6))),
    "dorian": ((0, 2, 3, 5, 7, 9, 10), ((0, 3, 6, 3), (0, 2, 6, 3), (0, 6, 2, 3))),
    "pentatonic": ((0, 2, 4, 7, 9), ((0, 3, 1, 2), (0, 1, 3, 2))),
}
# Steps in a beat: what sounds at each step of a chord, as scale degrees above its root ("." is a rest).
PATTERNS = {
    "pick": "2: -7+4 7 9 11 0+9 7 4 2",
    "strum": "2: 0+4+7+9+11 . 4+7+9 11+9+7 0+4+7+9 11+9",
    "run": "4: -5+0 1 2 3 4 5 6 7 8 7 6 5",
    "roll": "4: 0 4 7 2 9 7 4 7 -7+2 7 4 9",
    "walk": "2: 0 . 2 4 0 7 4 2",
    "climb": "4: -7+0 2 4 7 9 7 4 2 -7+0 4 7 11",
    "sparkle": "3: 0 5 7 2 9 4",
    "toll": "1: -7+0 4+9 2+7 4",
    "alberti": "2: 0 4 2 4",
    "waltz": "1: -7+0 2+4 2+4",
    "tremolo": "4: 7 7 7 7 4+9 9 9 9",
    "fall": "3: 11 9 7 4 2 0",
    "sigh": "1: 0+7 . 4+9 2",
    "unison": "1: -7+0",
    "fifths": "1: -7+0+4+7",
    "amen": "1: -7+0+2+4 -4+0+3+5 -7+0+2+4",
    "sway": "1: -7+0+4+8 -3+1+4+9",
    "cluster": "1: 0+2+3+6 1+2+4+6",
}
BEATS = {  # sixteenth notes of kick, snare, hat, tom: x loud, o soft
    "rock": ("x.....x.x.o.....", "....x..o.o..x...", "x.o.x.o.x.o.x.o.", "................"),
    "breaks": ("x.x.......xx....", "....x..o.o..x..o", "xoo.xoo.x.ooxoo.", "................"),
    "half": ("x......o..x.....", "........x......o", "x.ooo.o.x.o.o.oo", "..............x."),
    "house": ("x...x...x...x...", "....x.......x...", "..x...x...x...xo", "................"),
    "bossa": ("x..ox..ox..ox..o", "x..x..x...x..x..", "xooxooxooxooxoox", "..o..x....o.xx.."),
    "shuffle": ("x.......x.o.....", "..o.x.o...o.x.oo", "x..ox..ox..ox..o", "................"),
    "march": ("x...o...x...o...", "x.xxx.o.x.xxxxxx", "................", "........o...o..."),
    "tumble": ("x.......o.......", "................", "....o.......o...", "..xo.xx.o.xx.xo."),
}


class Note(NamedTuple):
    start_seconds: float
    seconds: float
    hertz: float
    gain: float


def parse_pattern(text: str) -> tuple[int, list[list[int]]]:
    """Return the steps in a beat, and the scale degrees of each step."""
    steps_per_beat, steps = text.split(":")
    return int(steps_per_beat), [[int(d) for d in step.split("+") if d != "."] for step in steps.split()]


def scale_hertz(clip: Clip, degree: int) -> float:
    """Return the frequency of a scale degree, counted from the clip's key note."""
    semitones = MODES[clip.mode][0]
    octave, step = divmod(degree, len(semitones))
    key = 12 * int(clip.key[1:]) + MODES["major"][0]["CDEFGAB".index(clip.key[0])]  # semitones above C0
    return 440 * 2 ** ((key + 12 * octave + semitones[step] - 57) / 12)


def compose(clip: Clip, rng: np.random.Generator) -> list[Note]:
    """Return the clip's pattern played over a chord progression that comes home to a held tonic chord."""
    steps_per_beat, steps = parse_pattern(PATTERNS[clip.pattern])
    step_seconds = 60 / clip.beats_per_minute / steps_per_beat
    steps_per_chord = steps_per_beat * (4 if clip.beats_per_minute > 110 else 2)
    progression = rng.choice(MODES[clip.mode][1])
    beats = int((clip.seconds - LEAD_SECONDS - TAIL_SECONDS) / (step_seconds * steps_per_beat))
    notes = []
    for step in range(beats * steps_per_beat):
        root = progression[step // steps_per_chord % len(progression)]
        for place, degree in enumerate(steps[step % steps_per_chord % len(steps)]):
            if place == 0 and rng.random() < 0.15:  # else every chord would be spelled the same way
                degree = rng.choice((2, 4, 9))
            gain = rng.uniform(0.7, 1) * (0.75 if step % steps_per_beat else 1)
            start_seconds = step * step_seconds + 0.012 * place  # fingers are not simultaneous
            notes.append(Note(start_seconds, step_seconds, scale_hertz(clip, root + degree), gain))
    end_seconds = beats * steps_per_beat * step_seconds
    chord = enumerate((0, 2, 4, len(MODES[clip.mode][0])))
    return notes + [Note(end_seconds + 0.06 * i, TAIL_SECONDS, scale_hertz(clip, d), 0.8) for i, d in chord]
