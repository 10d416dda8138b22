"""How the clips of example_input/ sound: instruments, rooms and old recordings, as samples.

Reference: Karplus and Strong 1983 (plucked strings); Chowning 1973 (bells by frequency modulation).
"""

import zlib

import numpy as np
from example_clips import Clip
from example_notes import BEATS, LEAD_SECONDS, PATTERNS, TAIL_SECONDS, compose, parse_pattern, scale_hertz
from scipy.signal import butter, fftconvolve, sosfilt

RATE_HZ = 44100
FADE_OUT_SECONDS = 0.7
FADE_IN_SECONDS = {"drones": 0.8, "weather": 0.6}  # the others begin with an onset of their own
PEAK_DBFS = (-14, -3)  # from the quietest clip to the loudest

# Brightness in [0, 1], seconds to decay by 60 dB; of bowed ones the slope of the harmonics, None.
STRINGS = {
    "guitar": (0.5, 3.5),
    "harp": (0.3, 4.0),
    "banjo": (0.8, 1.2),
    "bass": (0.3, 2.5),
    "ukulele": (0.45, 1.0),
    "mandolin": (0.7, 0.9),
    "koto": (0.65, 2.5),
    "pizzicato": (0.35, 0.5),
    "fiddle": (1.0, None),
    "cello": (1.3, None),
}
BELLS = {  # modulator / carrier frequency, modulation index, seconds to decay to 1/e
    "musicbox": (5.4, 0.8, 0.5),
    "church": (1.4, 3.0, 1.3),
    "marimba": (3.9, 0.9, 0.25),
    "tines": (3.0, 1.2, 0.8),
    "gamelan": (2.76, 2.0, 0.7),
    "celesta": (2.0, 0.7, 0.6),
    "gong": (1.21, 4.0, 2.0),
    "cowbell": (1.48, 3.0, 0.09),
    "glasses": (4.2, 0.4, 0.4),
}
CHIPS = {  # duty cycle of the pulse wave (None: a triangle), decay over a note, level of the noise on each beat
    "thin": (0.125, 1.5, 0.0),
    "pulse": (0.25, 1.5, 0.0),
    "square": (0.5, 1.5, 0.3),
    "triangle": (None, 1.5, 0.0),
    "plink": (0.25, 6.0, 0.0),
    "lead": (0.5, 0.2, 0.0),
    "arcade": (0.125, 1.5, 0.6),
}
# Amplitude of harmonic h is h ** -slope, weighted by the formants (Hz), if any; its frequency that of the note times
# h ** stretch; then the level of the breath, a noise around each note.
DRONES = {
    "organ": (1.3, (), 1, 0),
    "saw": (1.0, (), 1, 0),
    "glass": (2.0, (), 1, 0.1),
    "reed": (0.6, (350, 900, 2200), 1, 0.1),
    "choir": (0.7, (650, 1080, 2650), 1, 0.3),
    "hum": (0.9, (120, 300), 1, 0.05),
    "breath": (1.5, (), 1, 3),
    "bowl": (1.2, (), 1.4, 0),
}
KITS = {  # Hz: kick, snare, lower edge of the hat; seconds to decay to 1/e of the snare's noise
    "tight": (58, 210, 7000, 0.07),
    "loose": (48, 170, 5500, 0.1),
    "machine": (52, 250, 8500, 0.05),
    "hands": (95, 330, 4500, 0.03),
    "brushes": (70, 190, 3000, 0.2),
    "tins": (240, 520, 3800, 0.12),
}
# Bands of noise (low Hz, high Hz, level, gusts a second), then grains: how many a second, low and high Hz,
# seconds of decay, and how steeply a grain's pitch rises.
WEATHER = {
    "rain": (((1200, 9000, 0.25, 0.4), (100, 1200, 0.1, 0.3)), (70, 1500, 6500, 0.006, -8)),
    "wind": (((150, 600, 1.0, 0.5), (600, 1300, 0.7, 0.7), (1300, 8000, 0.2, 0.9)), (0, 1, 1, 1, 0)),
    "gale": (((420, 480, 0.9, 0.6), (900, 1050, 0.4, 0.8), (100, 4000, 0.3, 0.4)), (0, 1, 1, 1, 0)),
    "surf": (((60, 500, 0.6, 0.35), (500, 3000, 0.5, 0.4), (3000, 9000, 0.35, 0.5)), (0, 1, 1, 1, 0)),
    "fire": (((60, 500, 0.25, 1.5), (500, 8000, 0.15, 1.1)), (22, 900, 5000, 0.003, 0)),
    "brook": (((200, 1500, 0.25, 0.6), (1500, 9000, 0.2, 0.8)), (40, 350, 1500, 0.03, 9)),
    "thunder": (((30, 140, 1.0, 0.3), (140, 900, 0.25, 0.5)), (1.5, 45, 110, 0.3, -0.5)),
    "hail": (((800, 5000, 0.1, 0.5),), (35, 600, 4500, 0.012, 0)),
    "steam": (((2500, 10000, 0.4, 0.3), (200, 700, 0.2, 0.9)), (15, 250, 900, 0.02, 5)),
    "eaves": (((300, 4000, 0.08, 0.3),), (6, 500, 2200, 0.05, 3)),
    "crickets": (((200, 3000, 0.06, 0.2), (4100, 4700, 0.15, 1.9)), (18, 4000, 4500, 0.02, 0)),
}
# The body that every instrument of a kind shares, Hz: a gentle band-pass before the effects of its own.
BODIES = {"strings": (120, 1200), "drones": (40, 900), "chip": (300, 9000), "bells": (900, 6000)}


def time_axis(seconds: float) -> np.ndarray:
    """Return the sample times in seconds, (samples,)."""
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def filtered(sound: np.ndarray, edges_hertz: float | tuple, kind: str, order: int = 2) -> np.ndarray:
    """Return the sound, (samples,), after a Butterworth filter: low, high or band."""
    return sosfilt(butter(order, edges_hertz, kind, fs=RATE_HZ, output="sos"), sound)


def add_tone(mix: np.ndarray, start_seconds: float, tone: np.ndarray, gain: float) -> None:
    """Add a tone to mix, (samples,), in place, its end faded against clicks."""
    start = round(start_seconds * RATE_HZ)
    tone = gain * tone[: max(0, len(mix) - start)]
    release = min(len(tone), RATE_HZ // 50)
    tone[len(tone) - release :] *= np.linspace(1, 0, release)
    mix[start : start + len(tone)] += tone


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


def bow(hertz: float, seconds: float, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Return a bowed string: a swell, vibrato, and the harmonics below 8 kHz."""
    t = time_axis(seconds + 0.15)
    phase = 2 * np.pi * hertz * (t + 0.0008 * np.sin(2 * np.pi * rng.uniform(4.5, 6) * t))
    harmonics = range(1, min(25, int(8000 / hertz)) + 1)
    tone = sum(h**-slope * np.sin(h * phase + rng.uniform(0, 2 * np.pi)) for h in harmonics)
    return 0.3 * tone * np.minimum(1, t / 0.08) * np.minimum(1, t[::-1] / 0.12)


def bell(hertz: float, ratio: float, index: float, decay_seconds: float) -> np.ndarray:
    """Return a struck bar or bell; its brightness fades faster than its loudness."""
    t = time_axis(min(6 * decay_seconds, 8))
    phase = 2 * np.pi * hertz * t
    modulation = index * np.exp(-2 * t / decay_seconds) * np.sin(ratio * phase)
    return np.sin(phase + modulation) * np.exp(-t / decay_seconds) * np.minimum(1, t / 0.002)


def pulse(hertz: float, seconds: float, duty: float | None, decay: float) -> np.ndarray:
    """Return a pulse wave of that duty cycle, or a triangle for None, of the partials below 12 kHz."""
    t = time_axis(seconds)
    wave = np.zeros_like(t)
    # No matrix product: BLAS rounds differently with the number of its threads.
    for partial in range(1, min(40, int(12000 / hertz))):
        level = (partial % 2) / partial**2 if duty is None else np.sin(np.pi * partial * duty) / partial
        wave += level * np.cos(2 * np.pi * hertz * partial * t)
    return wave * np.minimum(1, t / 0.003) * np.exp(-decay * t / seconds)


def drum_hit(drum: str, clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return one hit of kick, snare, hat, tom or crash."""
    kick_hertz, snare_hertz, hat_hertz, rattle_seconds = KITS[clip.instrument]
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
        rattle = filtered(noise, snare_hertz * 8, "high") * np.exp(-t / rattle_seconds)
        return 0.5 * skin(snare_hertz, 0.8, 0.02, 0.06) + 0.6 * onset * rattle
    decay_seconds = 0.45 if drum == "crash" else rng.choice((0.02, 0.03, 0.07))
    return onset * 0.5 * filtered(noise, hat_hertz, "high") * np.exp(-t / decay_seconds)


def render_strings(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    """Add the clip to mix, (samples,), in place, as all renderers do."""
    character, decay_seconds = STRINGS[clip.instrument]
    for note in compose(clip, rng):
        if decay_seconds is None:
            tone = bow(note.hertz, note.seconds, character, rng)
        else:
            tone = pluck(note.hertz, character, decay_seconds, rng)
        add_tone(mix, note.start_seconds, tone, note.gain)


def render_bells(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    for note in compose(clip, rng):
        add_tone(mix, note.start_seconds, bell(note.hertz, *BELLS[clip.instrument]), note.gain)


def render_chip(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    duty, decay, noise_level = CHIPS[clip.instrument]
    for note in compose(clip, rng):
        is_bass = note.hertz < 180
        tone = pulse(note.hertz, note.seconds * 0.92, None if is_bass else duty, decay)
        add_tone(mix, note.start_seconds, tone, note.gain)
    beat_seconds = 60 / clip.beats_per_minute
    for beat in range(int((clip.seconds - TAIL_SECONDS) / beat_seconds) if noise_level else 0):
        t = time_axis(0.15)
        # The noise of such a chip changes its value only every so many samples.
        noise = np.repeat(rng.choice((-1.0, 1.0), len(t)), 8 if beat % 2 else 40)[: len(t)]
        add_tone(mix, beat * beat_seconds, noise * np.exp(-t / 0.03), noise_level)


def render_drums(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    step_seconds = 15 / clip.beats_per_minute
    steps = int((clip.seconds - LEAD_SECONDS - TAIL_SECONDS) / step_seconds) // 4 * 4
    for drum, line in zip(("kick", "snare", "hat", "tom"), BEATS[clip.pattern], strict=True):
        for step in range(steps):
            if (mark := line[step % 16]) != ".":
                start_seconds = step_seconds * (step + 0.1 * (step % 2))  # a little swing
                gain = rng.uniform(0.85, 1) * (1 if mark == "x" else 0.35)
                add_tone(mix, start_seconds, drum_hit(drum, clip, rng), gain)
    for drum in ("kick", "crash"):
        add_tone(mix, steps * step_seconds, drum_hit(drum, clip, rng), 0.8)


def render_drones(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    t = time_axis(clip.seconds)
    slope, formants, stretch, breath = DRONES[clip.instrument]
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
            beating = 1 + 0.5 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.6) * t + rng.random()))
            detuned = phase * harmonic**stretch * (1 + rng.normal(0, 0.0008)) + rng.uniform(0, 2 * np.pi)
            mix += level * beating * np.sin(detuned)
        if breath:
            around_hertz = np.exp(pitches[0]) * np.array([0.9, 3])
            mix += breath * filtered(rng.normal(0, 1, len(t)), around_hertz, "band")


def render_weather(clip: Clip, rng: np.random.Generator, mix: np.ndarray) -> None:
    t = time_axis(clip.seconds)
    bands, (grains_per_second, low_hertz, high_hertz, decay_seconds, rise) = WEATHER[clip.instrument]
    # No two showers are alike: this one's bands lie higher or lower, its grains fall denser or thinner.
    size, density = 2 ** rng.uniform(-0.7, 0.7, 2)
    for low, high, level, gusts_hertz in bands:
        noise = filtered(rng.normal(0, 1, len(mix)), (low * size, high * size), "band", order=1)
        swell = 0.6 - 0.4 * np.cos(2 * np.pi * (gusts_hertz * t + 0.3 * np.sin(1.1 * t + rng.uniform(0, 6))))
        mix += level * noise / noise.std() * swell
    grain_t = time_axis(8 * decay_seconds)
    for _ in range(rng.poisson(grains_per_second * density * clip.seconds)):
        hertz = size * low_hertz * (high_hertz / low_hertz) ** rng.random()
        phase = 2 * np.pi * hertz * grain_t * (1 + rise * grain_t / 2)
        grain = np.sin(phase) * np.exp(-grain_t / decay_seconds)
        add_tone(mix, rng.uniform(0, clip.seconds), grain, 0.15 + rng.exponential(0.5))


def reverberated(sound: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Return the sound, (samples,), in a room of decaying noise of that level and length, in [0, 1]."""
    t = time_axis(0.5 + 2 * amount)
    decay = np.exp(-5 * t / t[-1]) * np.minimum(1, t / 0.01)
    room = filtered(rng.normal(size=len(t)), 4500, "low") * decay
    wet = fftconvolve(sound, room / np.sqrt((room**2).sum()))[: len(sound)]
    return (1 - amount / 2) * sound + amount * wet


def echoed(sound: np.ndarray, amount: float, beats_per_minute: float) -> np.ndarray:
    """Return the sound with three repeats, each by the factor amount weaker, a dotted eighth note apart."""
    delay = round(RATE_HZ * 45 / beats_per_minute)
    repeats = (amount**n * np.pad(sound, (n * delay, 0))[: len(sound)] for n in (1, 2, 3))
    return sound + sum(repeats)


def worn(sound: np.ndarray, hiss_db: float, clicks_per_second: float, rng: np.random.Generator) -> np.ndarray:
    """Return the sound as an old tape or record has it: noise hiss_db below its peak (0: none), and clicks."""
    peak = np.abs(sound).max()
    hiss = peak * 10 ** (-hiss_db / 20) * rng.normal(size=len(sound)) if hiss_db else 0
    clicks = np.zeros(len(sound))
    where = rng.integers(0, len(sound), rng.poisson(clicks_per_second * len(sound) / RATE_HZ))
    clicks[where] = peak * rng.exponential(0.15, len(where)) * rng.choice((-1, 1), len(where))
    return sound + hiss + filtered(clicks, 6000, "low")


def finish(sound: np.ndarray, clip: Clip, rng: np.random.Generator) -> np.ndarray:
    """Return the mix with the clip's effects, fades and a peak of its own: (samples,) float32."""
    names = ("drive", "echo", "reverb", "hiss", "crackle", "lowpass", "highpass")
    amounts = dict.fromkeys(names, 0) | {"highpass": 25} | clip.effects
    sound = sound / np.abs(sound).max()
    if amounts["drive"]:
        sound = np.tanh(amounts["drive"] * sound)
    if amounts["echo"]:
        sound = echoed(sound, amounts["echo"], clip.beats_per_minute)
    if amounts["reverb"]:
        sound = reverberated(sound, amounts["reverb"], rng)
    sound = worn(sound, amounts["hiss"], amounts["crackle"], rng)
    if amounts["lowpass"]:
        sound = filtered(sound, amounts["lowpass"], "low")
    sound = filtered(sound, amounts["highpass"], "high")
    t = time_axis(clip.seconds)
    fade_in = np.minimum(1, t / FADE_IN_SECONDS.get(clip.kind, LEAD_SECONDS))
    fade_out = np.minimum(1, t[::-1] / FADE_OUT_SECONDS)
    sound *= (np.sin(np.pi / 2 * fade_in) * np.sin(np.pi / 2 * fade_out)) ** 2
    return (sound / np.abs(sound).max() * 10 ** (rng.uniform(*PEAK_DBFS) / 20)).astype("<f4")


RENDERERS = {
    "strings": render_strings,
    "drums": render_drums,
    "drones": render_drones,
    "weather": render_weather,
    "chip": render_chip,
    "bells": render_bells,
}


def render(clip: Clip, seed: int) -> np.ndarray:
    """Return the whole clip, (samples,) float32; it depends on the seed and its own row alone."""
    rng = np.random.default_rng([seed, zlib.crc32(clip.file.encode())])
    mix = np.zeros(round(clip.seconds * RATE_HZ))
    RENDERERS[clip.kind](clip, rng, mix)
    mix = np.pad(mix, (round(LEAD_SECONDS * RATE_HZ), 0))[: len(mix)]
    if clip.kind in BODIES:
        mix = filtered(mix, BODIES[clip.kind], "band", order=1)
    return finish(mix, clip, rng)
