"""Synthesise example_input/: thirty short clips of six kinds of sound, and their label table.

    python tests/make_example_input.py

Reads   nothing: every sound is computed from the tables below and the seed.
Writes  OUTPUT/<kind>/<album>/<file>.{mp3,wav,flac,ogg,m4a} and, last, OUTPUT/labels.csv. Files of these names
        are replaced, others left alone. The same seed, machine and ffmpeg give the same bytes.

Reference: Karplus and Strong 1983 (plucked strings); Chowning 1973 (bells by frequency modulation).
"""

import argparse
import csv
import io
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

RATE_HZ = 44100
LEAD_SECONDS = 0.05  # keeps the first onset, and the pre-echo an mp3 gives it, off the file's border
TAIL_SECONDS = 1.6  # what the last chord or hit gets to ring
FADE_OUT_SECONDS = 0.9
FADE_IN_SECONDS = {"drones": 1.0, "weather": 0.7}  # the others begin with an onset of their own
CITATION = "Synthesised by tests/make_example_input.py, sound-eval, CC0"
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "example_input"

# An album has one artist and one room, so that artists differ in more than their names, as real ones do.
ALBUMS = {
    "Window Seat": ("Søren Quillfeather", "echo=.3 reverb=.25 width=1"),
    "harbour": ("Søren Quillfeather", "lowpass=6000 reverb=.4 width=1.2"),
    "moss_garden": ("Lumen & Moss", "reverb=.5 width=1"),
    "cellar": ("Lumen & Moss", "reverb=.7 lowpass=3000 width=.6"),
    "loose_bolts": ("Tin Meridian", "drive=2.5 reverb=.1 width=.7"),
    "transformer": ("Tin Meridian", "drive=2 echo=.3 width=.8"),
    "petty_cash": ("Velvet Abacus", "reverb=.08 width=.3"),
    "ledger": ("Velvet Abacus", "lowpass=5000 reverb=.1 width=0"),
}
# folder | title | format | instrument | pattern | key | beats per minute | seconds | peak dBFS | effects
CLIPS = """
strings/Window Seat | Søren, at the window – étude | mp3 | guitar | pick | E3 minor | 84 | 8.8 | -6 |
strings/Window Seat | Last Tram Home | mp3 | guitar | strum | A2 dorian | 104 | 8.6 | -4 | echo=0
strings/moss_garden | Harp for a Patient Snail | mp3 | harp | run | G3 pentatonic | 76 | 9.6 | -9 | reverb=.3
strings/loose_bolts | Eleven Fast Goats | wav | banjo | roll | G3 major | 150 | 6.5 | -3 | drive=1.5
strings/ledger | Double-Entry Bass | mp3 | bass | walk | F2 dorian | 112 | 8.1 | -5 |
drums/loose_bolts | Kitchen Riot | mp3 | tight | rock | D2 minor | 132 | 7.2 | -4 |
drums/loose_bolts | Elevator to Eleven | wav | tight | breaks | E2 minor | 150 | 6.5 | -4 | drive=5
drums/petty_cash | Slow Cheque | mp3 | loose | half | C2 minor | 78 | 7.9 | -7 | echo=.2
drums/petty_cash | Four on the Parquet | mp3 | machine | house | F2 minor | 122 | 7.6 | -4 | lowpass=6000
drums/moss_garden | Frogs Keep Time | ogg | hands | bossa | A2 pentatonic | 108 | 8.4 | -10 | reverb=.3
drones/live/cellar | The Furnace Dreams | flac | organ | fifths | C2 major | 60 | 7.5 | -8 | width=0
drones/live/cellar | Choir of Radiators | mp3 | choir | amen | F3 major | 60 | 9.5 | -6 |
drones/harbour | Foghorn Lullaby | mp3 | reed | sway | D2 dorian | 60 | 9 | -5 |
drones/harbour | Ice, Thinking | mp3 | glass | cluster | A3 pentatonic | 60 | 9 | -12 |
drones/transformer | Sixty-Cycle Hymn | mp3 | saw | fifths | B1 minor | 60 | 8 | -4 | drive=3
weather/harbour | Tide Table | mp3 | surf | - | C3 major | 60 | 9.5 | -7 | lowpass=9000
weather/harbour | Wind in the Rigging | m4a | wind | - | C3 major | 60 | 9 | -8 |
weather/moss_garden | A Brook Explains Itself | mp3 | brook | - | C3 major | 60 | 8 | -11 | reverb=.15
weather/ledger | The Gutter Said "Plink" | mp3 | rain | - | C3 major | 60 | 8.5 | -9 | lowpass=10000 width=.8
weather/ledger | Burning the Receipts | wav | fire | - | C3 major | 60 | 6 | -5 | lowpass=9000
chip/loose_bolts | Boss Battle with a Moth | mp3 | pulse | climb | A3 minor | 150 | 8.1 | -4 |
chip/loose_bolts | Coin Room | mp3 | thin | sparkle | C4 pentatonic | 138 | 6.9 | -6 | echo=.3
chip/petty_cash | Spreadsheet Quest | mp3 | square | climb | G3 major | 128 | 7.3 | -8 |
chip/petty_cash | Save Point | mp3 | triangle | pick | D4 major | 88 | 8.5 | -10 | reverb=.3
chip/Window Seat | Pixel Fjord | mp3 | pulse | roll | F3 dorian | 104 | 8.6 | -7 | lowpass=8000
bells/moss_garden | Music Box for One Fern | mp3 | musicbox | roll | D5 major | 92 | 8.2 | -8 |
bells/moss_garden | Wedding of Two Clouds | mp3 | church | toll | E4 major | 72 | 8.4 | -5 |
bells/petty_cash | Marimba Tax Return | mp3 | marimba | walk | A4 pentatonic | 124 | 7.5 | -6 |
bells/harbour | Buoy No. 7 | mp3 | tines | pick | B4 dorian | 80 | 9.2 | -9 | echo=.25
bells/transformer | Temple of Spoons | mp3 | gamelan | sparkle | F4 pentatonic | 84 | 7.4 | -4 | drive=1
"""  # noqa: RUF001 - the dash in a title is meant
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
    "fifths": "1: -7+0+4+7",
    "amen": "1: -7+0+2+4 -4+0+3+5 -7+0+2+4",
    "sway": "1: -7+0+4+8 -3+1+4+9",
    "cluster": "1: 0+2+3+6 1+2+4+6",
}
# Brightness in [0, 1], seconds to decay by 60 dB.
PLUCKS = {"guitar": (0.5, 3.5), "harp": (0.3, 4.0), "banjo": (0.8, 1.2), "bass": (0.3, 2.5)}
BELLS = {  # modulator / carrier frequency, modulation index, seconds to decay to 1/e
    "musicbox": (5.4, 0.8, 0.5),
    "church": (1.4, 3.0, 1.3),
    "marimba": (3.9, 0.9, 0.25),
    "tines": (3.0, 1.2, 0.8),
    "gamelan": (2.76, 2.0, 0.7),
}
DUTY_CYCLES = {"thin": 0.125, "pulse": 0.25, "square": 0.5, "triangle": None}
DRONES = {  # amplitude of harmonic h is h ** -slope, weighted by the formants (Hz), if any
    "organ": (1.3, ()),
    "saw": (1.0, ()),
    "glass": (2.0, ()),
    "reed": (0.6, (350, 900, 2200)),
    "choir": (0.7, (650, 1080, 2650)),
}
KITS = {  # Hz: kick, snare, lower edge of the hat
    "tight": (58, 210, 7000),
    "loose": (48, 170, 5500),
    "machine": (52, 250, 8500),
    "hands": (95, 330, 4500),
}
BEATS = {  # sixteenth notes of kick, snare, hat, tom: x loud, o soft
    "rock": ("x.....x.x.o.....", "....x..o.o..x...", "x.o.x.o.x.o.x.o.", "................"),
    "breaks": ("x.x.......xx....", "....x..o.o..x..o", "xoo.xoo.x.ooxoo.", "................"),
    "half": ("x......o..x.....", "........x......o", "x.ooo.o.x.o.o.oo", "..............x."),
    "house": ("x...x...x...x...", "....x.......x...", "..x...x...x...xo", "................"),
    "bossa": ("x..ox..ox..ox..o", "x..x..x...x..x..", "xooxooxooxooxoox", "..o..x....o.xx.."),
}
# Bands of noise (low Hz, high Hz, level, gusts a second), then grains: how many a second, low and high Hz,
# seconds of decay, and how steeply a grain's pitch rises.
WEATHER = {
    "rain": (((1200, 9000, 0.25, 0.4), (100, 1200, 0.1, 0.3)), (70, 1500, 6500, 0.006, -8)),
    "wind": (((150, 600, 1.0, 0.5), (600, 1300, 0.7, 0.7), (1300, 8000, 0.2, 0.9)), (0, 1, 1, 1, 0)),
    "surf": (((60, 500, 0.6, 0.35), (500, 3000, 0.5, 0.4), (3000, 9000, 0.35, 0.5)), (0, 1, 1, 1, 0)),
    "fire": (((60, 500, 0.25, 1.5), (500, 8000, 0.15, 1.1)), (22, 900, 5000, 0.003, 0)),
    "brook": (((200, 1500, 0.25, 0.6), (1500, 9000, 0.2, 0.8)), (40, 350, 1500, 0.03, 9)),
}
# The body that every instrument of a kind shares, Hz: a gentle band-pass before the effects of its own.
BODIES = {"strings": (120, 1200), "drones": (40, 900), "chip": (300, 9000), "bells": (900, 6000)}
CODECS = {  # arguments for ffmpeg; wav is large, so it is kept at half the sample rate
    "mp3": "-c:a libmp3lame -f mp3",
    "wav": "-c:a pcm_s16le -ar 22050 -ac 1 -f wav",
    "flac": "-c:a flac -sample_fmt s16 -f flac",
    "ogg": "-c:a libvorbis -f ogg",
    "m4a": "-c:a aac -f ipod",
}


class Clip(NamedTuple):
    """A row of CLIPS: file is relative to the output folder, key_midi a MIDI note, effects by name."""

    file: str
    kind: str
    artist: str
    title: str
    format: str
    instrument: str
    pattern: str
    key_midi: int
    mode: str
    beats_per_minute: float
    seconds: float
    peak_dbfs: float
    effects: dict[str, float]


class Note(NamedTuple):
    start_seconds: float
    seconds: float
    hertz: float
    gain: float


def parse_clip(row: str) -> Clip:
    """Return the clip that a row of CLIPS describes; the effects of the row override those of its album."""
    cells = (cell.strip() for cell in row.split("|"))
    folder, title, suffix, instrument, pattern, key, tempo, seconds, peak, effects = cells
    artist, room = ALBUMS[folder.split("/")[-1]]
    # Names are easy on the shell, but for one: a folder of music always has a name that is not.
    name = re.sub(r"\W+", "_", title.lower()).strip("_") if title.isascii() else title
    pitch, mode = key.split()
    key_midi = 12 + 12 * int(pitch[1:]) + MODES["major"][0]["CDEFGAB".index(pitch[0])]
    amounts = {effect: float(amount) for effect, amount in re.findall(r"(\w+)=(\S+)", f"{room} {effects}")}
    numbers = (float(tempo), float(seconds), float(peak))
    names = (folder.split("/")[0], artist, title, suffix, instrument, pattern)
    return Clip(f"{folder}/{name}.{suffix}", *names, key_midi, mode, *numbers, amounts)


def parse_pattern(text: str) -> tuple[int, list[list[int]]]:
    """Return the steps in a beat, and the scale degrees of each step."""
    steps_per_beat, steps = text.split(":")
    return int(steps_per_beat), [[int(d) for d in step.split("+") if d != "."] for step in steps.split()]


def time_axis(seconds: float) -> np.ndarray:
    """Return the sample times in seconds, (samples,)."""
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def filtered(sound: np.ndarray, edges_hertz: float | tuple, kind: str, order: int = 2) -> np.ndarray:
    """Return the sound, (samples, ...), after a Butterworth filter: low, high or band."""
    return sosfilt(butter(order, edges_hertz, kind, fs=RATE_HZ, output="sos"), sound, axis=0)


def scale_hertz(clip: Clip, degree: int) -> float:
    """Return the frequency of a scale degree, counted from the clip's key note."""
    semitones = MODES[clip.mode][0]
    octave, step = divmod(degree, len(semitones))
    return 440 * 2 ** ((clip.key_midi + 12 * octave + semitones[step] - 69) / 12)


def compose(clip: Clip, rng: np.random.Generator) -> list[Note]:
    """Return the clip's pattern played over a chord progression that comes home to a held tonic chord."""
    steps_per_beat, steps = parse_pattern(PATTERNS[clip.pattern])
    step_seconds = 60 / clip.beats_per_minute / steps_per_beat
    steps_per_chord = steps_per_beat * (4 if clip.beats_per_minute > 110 else 2)
    progression = rng.choice(MODES[clip.mode][1])
    chords = int((clip.seconds - LEAD_SECONDS - TAIL_SECONDS) / (step_seconds * steps_per_chord))
    notes = []
    for step in range(chords * steps_per_chord):
        root = progression[step // steps_per_chord % len(progression)]
        for place, degree in enumerate(steps[step % steps_per_chord % len(steps)]):
            if place == 0 and rng.random() < 0.15:  # else every chord would be spelled the same way
                degree = rng.choice((2, 4, 9))
            gain = rng.uniform(0.7, 1) * (0.75 if step % steps_per_beat else 1)
            start_seconds = step * step_seconds + 0.012 * place  # fingers are not simultaneous
            notes.append(Note(start_seconds, step_seconds, scale_hertz(clip, root + degree), gain))
    end_seconds = chords * steps_per_chord * step_seconds
    chord = enumerate((0, 2, 4, len(MODES[clip.mode][0])))
    return notes + [Note(end_seconds + 0.06 * i, TAIL_SECONDS, scale_hertz(clip, d), 0.8) for i, d in chord]


def add_tone(mix: np.ndarray, start_seconds: float, tone: np.ndarray, gain: float, pan: float) -> None:
    """Add a mono tone to mix, (samples, 2), in place, its end faded against clicks; pan in [-1, 1]."""
    start = round(start_seconds * RATE_HZ)
    tone = gain * tone[: max(0, len(mix) - start)]
    release = min(len(tone), RATE_HZ // 50)
    tone[len(tone) - release :] *= np.linspace(1, 0, release)
    angle = (pan + 1) * np.pi / 4
    mix[start : start + len(tone)] += tone[:, None] * np.array([np.cos(angle), np.sin(angle)])


def pluck(hertz: float, brightness: float, decay_seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Return a plucked string: a burst of noise in a delay line that loses its treble at every turn."""
    delay = RATE_HZ / hertz - 0.5  # the two-point average is half a sample of delay itself
    whole = int(delay)
    taps = np.convolve([0.5, 0.5], [1 - delay + whole, delay - whole]) * 10 ** (-3 / (hertz * decay_seconds))
    burst = filtered(rng.uniform(-1, 1, 2 * whole), 500 + 8000 * brightness, "low")[whole:]
    string = np.zeros(whole + 2 + round(min(decay_seconds, 3) * RATE_HZ))
    string[2 : whole + 2] = burst - burst.mean()
    for start in range(whole + 2, len(string), whole):
        turn = np.convolve(string[start - whole - 2 : start], taps, "valid")
        string[start : start + whole] = turn[: len(string) - start]
    return string[2:] / np.abs(string).max()


def bell(hertz: float, ratio: float, index: float, decay_seconds: float) -> np.ndarray:
    """Return a struck bar or bell; its brightness fades faster than its loudness."""
    t = time_axis(6 * decay_seconds)
    phase = 2 * np.pi * hertz * t
    modulation = index * np.exp(-2 * t / decay_seconds) * np.sin(ratio * phase)
    return np.sin(phase + modulation) * np.exp(-t / decay_seconds) * np.minimum(1, t / 0.002)


def pulse(hertz: float, seconds: float, duty: float | None) -> np.ndarray:
    """Return a pulse wave of that duty cycle, or a triangle for None, of the partials below 12 kHz."""
    t = time_axis(seconds)
    wave = np.zeros_like(t)
    # No matrix product: BLAS rounds differently with the number of its threads.
    for partial in range(1, min(40, int(12000 / hertz))):
        level = (partial % 2) / partial**2 if duty is None else np.sin(np.pi * partial * duty) / partial
        wave += level * np.cos(2 * np.pi * hertz * partial * t)
    return wave * np.minimum(1, t / 0.003) * np.exp(-1.5 * t / seconds)


def drum_hit(drum: str, clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return one hit of kick, snare, hat, tom or crash."""
    kick_hertz, snare_hertz, hat_hertz = KITS[clip.instrument]
    t = time_axis(1.5 if drum == "crash" else 0.5)
    onset = np.minimum(1, t / 0.001)
    noise = rng.normal(0, 0.4, len(t))

    def skin(hertz: float, bend_turns: float, bend_seconds: float, decay_seconds: float) -> np.ndarray:
        turns = hertz * t - bend_turns * np.exp(-t / bend_seconds)
        return onset * np.sin(2 * np.pi * turns) * np.exp(-t / decay_seconds)

    if drum == "kick":
        return skin(kick_hertz, 4.5, 0.03, 0.13)
    if drum == "tom":
        return skin(scale_hertz(clip, rng.choice((7, 9))), 1.2, 0.04, 0.16)
    if drum == "snare":
        rattle = filtered(noise, snare_hertz * 8, "high") * np.exp(-t / 0.07)
        return 0.5 * skin(snare_hertz, 0.8, 0.02, 0.06) + 0.6 * onset * rattle
    decay_seconds = 0.45 if drum == "crash" else rng.choice((0.02, 0.03, 0.07))
    return onset * 0.5 * filtered(noise, hat_hertz, "high") * np.exp(-t / decay_seconds)


def render_notes(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    """Add strings, bells or chip voices to mix, (samples, 2), in place, as all renderers do."""
    for note in compose(clip, rng):
        if clip.kind == "strings":
            tone = pluck(note.hertz, *PLUCKS[clip.instrument], rng)
        elif clip.kind == "bells":
            tone = bell(note.hertz, *BELLS[clip.instrument])
        else:
            is_bass = note.hertz < 180
            tone = pulse(note.hertz, note.seconds * 0.92, None if is_bass else DUTY_CYCLES[clip.instrument])
        add_tone(mix, note.start_seconds, tone, note.gain, rng.uniform(-0.7, 0.7))


def render_drums(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    step_seconds = 15 / clip.beats_per_minute
    steps = int((clip.seconds - LEAD_SECONDS - TAIL_SECONDS) / step_seconds) // 16 * 16
    for drum, line in zip(("kick", "snare", "hat", "tom"), BEATS[clip.pattern], strict=True):
        for step in range(steps):
            if (mark := line[step % 16]) != ".":
                start_seconds = step_seconds * (step + 0.1 * (step % 2))  # a little swing
                gain = rng.uniform(0.85, 1) * (1 if mark == "x" else 0.35)
                pan = 0.4 if drum in ("hat", "tom") else 0
                add_tone(mix, start_seconds, drum_hit(drum, clip, rng), gain, pan)
    for drum in ("kick", "crash"):
        add_tone(mix, steps * step_seconds, drum_hit(drum, clip, rng), 0.8, 0)


def render_drones(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    t = time_axis(clip.seconds)
    slope, formants = DRONES[clip.instrument]
    _, chords = parse_pattern(PATTERNS[clip.pattern])
    for voice in zip(*chords, strict=True):
        pitches = np.log([scale_hertz(clip, degree) for degree in voice])
        log_hertz = pitches[0] + 0.002 * np.sin(2 * np.pi * rng.uniform(4.5, 5.5) * t)  # vibrato
        for change, interval in enumerate(np.diff(pitches), 1):  # a voice glides to its next note
            log_hertz += interval * (np.tanh((t - change * clip.seconds / len(chords)) / 0.15) + 1) / 2
        phase = 2 * np.pi * np.cumsum(np.exp(log_hertz)) / RATE_HZ
        for harmonic in range(1, min(18, int(5000 / np.exp(pitches[0]))) + 1):
            hertz = harmonic * np.exp(pitches[0])
            peaks = [np.exp(-(((hertz / formant - 1) / 0.2) ** 2)) for formant in formants]
            level = harmonic**-slope * (0.08 + sum(peaks) if formants else 1)
            for channel in (0, 1):
                beating = 1 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.6) * t + rng.random()))
                detuned = phase * harmonic * (1 + rng.normal(0, 0.0008)) + rng.uniform(0, 2 * np.pi)
                mix[:, channel] += level * beating * np.sin(detuned)


def render_weather(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    t = time_axis(clip.seconds)
    bands, (grains_per_second, low_hertz, high_hertz, decay_seconds, rise) = WEATHER[clip.instrument]
    for *edges_hertz, level, gusts_hertz in bands:
        noise = filtered(rng.normal(0, 1, mix.shape), edges_hertz, "band", order=1)
        swell = 0.6 - 0.4 * np.cos(2 * np.pi * (gusts_hertz * t + 0.3 * np.sin(1.1 * t + rng.uniform(0, 6))))
        mix += level * noise / noise.std() * swell[:, None]
    grain_t = time_axis(8 * decay_seconds)
    for _ in range(rng.poisson(grains_per_second * clip.seconds)):
        hertz = low_hertz * (high_hertz / low_hertz) ** rng.random()
        phase = 2 * np.pi * hertz * grain_t * (1 + rise * grain_t / 2)
        grain = np.sin(phase) * np.exp(-grain_t / decay_seconds)
        add_tone(mix, rng.uniform(0, clip.seconds), grain, 0.15 + rng.exponential(0.5), rng.uniform(-1, 1))


def reverberated(sound: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Return the sound, (samples, 2), in a room of decaying noise of that level and length, in [0, 1]."""
    t = time_axis(0.5 + 2 * amount)[:, None]
    decay = np.exp(-5 * t / t[-1]) * np.minimum(1, t / 0.01)
    room = filtered(rng.normal(size=(len(t), 2)), 4500, "low") * decay
    wet = fftconvolve(sound, room / np.sqrt((room**2).sum(axis=0)), axes=0)[: len(sound)]
    return (1 - amount / 2) * sound + amount * wet


def finish(sound: np.ndarray, clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return the mix with effects, fades and its peak in place: (samples, 1 or 2) float32."""
    amounts = {"drive": 0, "lowpass": 0, "echo": 0, "reverb": 0, "width": 1} | clip.effects
    sound = sound / np.abs(sound).max()
    if amounts["drive"]:
        sound = np.tanh(amounts["drive"] * sound)
    if amounts["lowpass"]:
        sound = filtered(sound, amounts["lowpass"], "low")
    if amounts["echo"]:
        delay = round(RATE_HZ * 45 / clip.beats_per_minute)  # a dotted eighth note, changing sides
        repeat = sound
        for count in (1, 2, 3):
            repeat = np.pad(repeat, ((delay, 0), (0, 0)))[: len(sound), ::-1]
            sound = sound + amounts["echo"] ** count * repeat
    if amounts["reverb"]:
        sound = reverberated(sound, amounts["reverb"], rng)
    middle = sound.mean(axis=1, keepdims=True)
    is_mono = clip.format == "wav" or not amounts["width"]
    sound = filtered(middle if is_mono else middle + amounts["width"] * (sound - middle), 25, "high")
    t = time_axis(clip.seconds)
    fade_in = np.minimum(1, t / FADE_IN_SECONDS.get(clip.kind, LEAD_SECONDS))
    fade_out = np.minimum(1, t[::-1] / FADE_OUT_SECONDS)
    sound *= (np.sin(np.pi / 2 * fade_in) * np.sin(np.pi / 2 * fade_out))[:, None] ** 2
    return (sound / np.abs(sound).max() * 10 ** (clip.peak_dbfs / 20)).astype("<f4")


def render(clip: Clip, seed: int) -> np.ndarray:
    """Return the whole clip, (samples, 1 or 2) float32; it depends on the seed and its own row alone."""
    rng = np.random.default_rng([seed, zlib.crc32(clip.file.encode())])
    mix = np.zeros((round(clip.seconds * RATE_HZ), 2))
    renderers = {"drums": render_drums, "drones": render_drones, "weather": render_weather}
    renderers.get(clip.kind, render_notes)(clip, rng, mix)
    mix = np.pad(mix, ((round(LEAD_SECONDS * RATE_HZ), 0), (0, 0)))[: len(mix)]
    if clip.kind in BODIES:
        mix = filtered(mix, BODIES[clip.kind], "band", order=1)
    return finish(mix, clip, rng)


def write_audio(path: Path, clip: Clip, sound: np.ndarray) -> None:
    """Encode a clip with ffmpeg beside its name and rename it onto it; OSError says what ffmpeg said."""
    part = path.with_name(f".{path.name}.part")
    channels = sound.shape[1]
    source = f"-f f32le -ar {RATE_HZ} -ac {channels} -i pipe:0 -map_metadata -1"
    # Without bitexact, the encoders' versions, random stream numbers and the date would be in the bytes.
    exact = f"-threads 1 -fflags +bitexact -flags:a +bitexact -b:a {64 if channels == 1 else 80}k"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *f"-loglevel error -y {source} {exact}".split()]
    command += ["-metadata", f"title={clip.title}", "-metadata", f"artist={clip.artist}"]
    command += [*CODECS[clip.format].split(), f"file:{part}"]
    try:
        done = subprocess.run(command, input=sound.tobytes(), capture_output=True, timeout=60, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise OSError(f"{path}: ffmpeg exit {done.returncode}: {said}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_labels(path: Path, clips: list[Clip]) -> None:
    """Write the label table beside its name and rename it onto it."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("filename", "genre", "artist", "title", "citation"))
    writer.writerows((clip.file, clip.kind, clip.artist, clip.title, CITATION) for clip in clips)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(table.getvalue().encode())
    part.replace(path)


def build_parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of notes and noise (default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error(f"--seed {args.seed}: must be 0 or more")
    labels = args.output / "labels.csv"
    clips = [parse_clip(row) for row in CLIPS.strip().splitlines()]
    size_bytes = 0
    try:
        if labels.is_file() and Path(__file__).name.encode() not in labels.read_bytes():
            raise FileExistsError(f"{labels}: not made by this script; choose another --output")
        for clip in clips:
            path = args.output / clip.file
            path.parent.mkdir(parents=True, exist_ok=True)
            write_audio(path, clip, render(clip, args.seed))
            size_bytes += path.stat().st_size
        write_labels(labels, clips)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:  # RuntimeError: there is no ffmpeg
        print(f"make_example_input.py: {error}", file=sys.stderr)
        return 1
    kinds, artists = {clip.kind for clip in clips}, {clip.artist for clip in clips}
    counts = f"{len(clips)} clips of {len(kinds)} kinds by {len(artists)} artists"
    print(f"{args.output}: {counts}, {size_bytes / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
