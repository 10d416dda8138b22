"""Which clips example_input/ has: the table of albums, the table of clips, and how a row is read."""

import re
from typing import NamedTuple

# An album has one artist and one room, so that artists differ in more than their names, as real ones do. The effects
# are those of `finish` in example_sounds.py: edges in Hz, hiss in dB below the peak, crackle in clicks a second.
ALBUMS = {
    "Window Seat": ("Søren Quillfeather", "echo=.3 reverb=.25"),
    "harbour": ("Søren Quillfeather", "lowpass=6000 reverb=.4 hiss=46"),
    "moss_garden": ("Lumen & Moss", "reverb=.5"),
    "cellar": ("Lumen & Moss", "reverb=.7 lowpass=3000"),
    "loose_bolts": ("Tin Meridian", "drive=2.5 reverb=.1"),
    "transformer": ("Tin Meridian", "drive=2 echo=.3 hiss=44"),
    "petty_cash": ("Velvet Abacus", "reverb=.08"),
    "ledger": ("Velvet Abacus", "lowpass=5000 reverb=.1"),
    "Eleven Umbrellas": ("Ottoline Brack", "reverb=.35"),
    "the_attic_tapes": ("Ottoline Brack", "lowpass=3500 highpass=200 hiss=30"),
    "so_sorry": ("The Polite Avalanche", "reverb=.6 drive=1.5"),
    "after_you": ("The Polite Avalanche", "highpass=150 reverb=.2"),
    "footnotes": ("DJ Marginalia", "drive=3 lowpass=8000"),
    "ibid": ("DJ Marginalia", "echo=.4 hiss=40"),
    "Küchenmusik": ("Brünhild Kettle", "highpass=250 reverb=.15"),
    "boiling_point": ("Brünhild Kettle", "reverb=.45 hiss=38"),
    "one_short": ("Quartet of Three", "reverb=.3 hiss=50"),
    "wax_cylinder": ("Quartet of Three", "lowpass=2500 highpass=300 hiss=28 crackle=25"),
    "mind_the_fuse": ("Aunt Voltage", "drive=4 lowpass=7000"),
    "ohm_sweet_ohm": ("Aunt Voltage", "reverb=.4 echo=.2"),
    "verde_a_ratos": ("Los Semáforos Tristes", "drive=1.5 reverb=.12"),
    "ambar": ("Los Semáforos Tristes", "highpass=100 echo=.25 crackle=8"),
    "invoice_for_the_sea": ("Gull & Sons, Ltd.", "highpass=120 lowpass=7000 hiss=34"),
    "pier_pressure": ("Gull & Sons, Ltd.", "reverb=.3 echo=.15"),
    "tidy_moon": ("Eszter Halfmoon", "reverb=.55 lowpass=5500"),
    "night_bus": ("Eszter Halfmoon", "drive=1.8 reverb=.2 hiss=42"),
    "desk_drawer": ("Niko Paperweight", "lowpass=4500 highpass=120 hiss=40"),
    "loose_leaf": ("Niko Paperweight", "reverb=.05"),
}
# folder | title | instrument and pattern | key, mode, beats per minute | seconds | effects, and in words: a format
# other than mp3; "tagged", title and artist are in the file too; "verbatim", the file is called as the title is.
CLIPS = """
strings/Window Seat | Søren, at the window – étude | guitar pick | E3 minor 84 | 7.2 | tagged
strings/Window Seat | Last Tram Home | guitar strum | A2 dorian 104 | 6.4 | echo=0
strings/harbour | Rope Practice | cello sigh | G2 minor 76 | 7 |
strings/moss_garden | Harp for a Patient Snail | harp run | G3 pentatonic 76 | 6.8 | reverb=.3
strings/cellar | Spiders Tune by Ear | pizzicato walk | C3 dorian 96 | 5.5 |
strings/loose_bolts | Eleven Fast Goats | banjo roll | G3 major 150 | 4 | drive=1.5 wav
strings/transformer | Barbed Wire Lullaby | ukulele alberti | D3 minor 92 | 5.6 |
strings/ledger | Double-Entry Bass | bass walk | F2 dorian 112 | 5.8 |
strings/Eleven Umbrellas | Cello in a Revolving Door | cello waltz | D2 minor 126 | 6.4 | tagged
strings/Eleven Umbrellas | The Viola Apologises | fiddle sigh | C3 dorian 66 | 6.6 |
strings/the_attic_tapes | Grandmother's Mandolin, Slightly Haunted | mandolin tremolo | A3 minor 88 | 6 | verbatim
strings/one_short | Trio for Four, Minus One | fiddle fall | G3 major 132 | 5.2 |
strings/one_short | Fugue, Interrupted by Soup | pizzicato run | B2 minor 108 | 5.4 |
strings/wax_cylinder | Encore (1911) | fiddle waltz | E3 major 138 | 5 | verbatim tagged
strings/verde_a_ratos | Guitarra del semáforo dormido | guitar strum | E2 minor 116 | 5.6 |
strings/ambar | Pedestrian Bolero | guitar pick | D3 dorian 98 | 5.8 |
strings/pier_pressure | Ukulele for a Seagull's Lawyer | ukulele strum | C4 major 120 | 4.8 | m4a
strings/tidy_moon | Koto on the Fire Escape | koto sparkle | D3 pentatonic 80 | 6.2 |
strings/tidy_moon | Harp, Unplugged | harp alberti | F3 major 70 | 6.4 | reverb=.4
strings/night_bus | Seat 14, Window | bass pick | G2 minor 90 | 5.5 |
drums/moss_garden | Frogs Keep Time | hands bossa | A2 pentatonic 108 | 6 | reverb=.3 ogg tagged
drums/cellar | Potatoes Rolling Downstairs | loose tumble | F2 minor 100 | 6 |
drums/loose_bolts | Kitchen Riot | tight rock | D2 minor 132 | 5.2 |
drums/loose_bolts | Elevator to Eleven | tight breaks | E2 minor 150 | 4.2 | drive=5 wav
drums/transformer | Hammer, Nail, Repeat | tins house | A3 minor 126 | 5 |
drums/petty_cash | Slow Cheque | loose half | C2 minor 78 | 6.2 | echo=.2
drums/petty_cash | Four on the Parquet | machine house | F2 minor 122 | 5.6 | lowpass=6000 tagged
drums/so_sorry | Excuse Me, Timpani | hands tumble | D2 major 84 | 6.4 |
drums/so_sorry | Rockslide in Slippers | loose half | G1 minor 92 | 5.8 |
drums/after_you | Brushes with Destiny | brushes shuffle | A2 dorian 112 | 6 |
drums/footnotes | See Page Boom | machine breaks | E2 minor 138 | 4.8 |
drums/footnotes | Errata | machine rock | G2 minor 118 | 5 |
drums/ibid | Op. Cit. Op. Hit. | tight breaks | C3 dorian 104 | 5.6 |
drums/Küchenmusik | Topfdeckel, größer | tins bossa | C4 pentatonic 116 | 5.4 | tagged
drums/boiling_point | Lid Shuffle | tins shuffle | E3 minor 96 | 5.6 |
drums/one_short | The Drummer Is the Missing One | brushes half | D2 dorian 72 | 6.6 |
drums/mind_the_fuse | Short Circuit March | machine march | B1 minor 110 | 5 |
drums/verde_a_ratos | Cumbia for a Zebra Crossing | hands bossa | D3 minor 98 | 5.8 |
drums/ambar | Blink, Blink, Blink | machine march | A2 major 90 | 5.2 |
drums/desk_drawer | Stapler Solo | tins march | F3 major 140 | 4.6 |
drones/live/cellar | The Furnace Dreams | organ fifths | C2 major | 5 | flac
drones/live/cellar | Choir of Radiators | choir amen | F3 major | 7 |
drones/harbour | Foghorn Lullaby | reed sway | D2 dorian | 7 |
drones/harbour | Ice, Thinking | glass cluster | A3 pentatonic | 6.5 | verbatim
drones/transformer | Sixty-Cycle Hymn | saw fifths | B1 minor | 6 | drive=3
drones/Eleven Umbrellas | Waiting Room in D | reed amen | D3 minor | 6 |
drones/the_attic_tapes | Moths on the Harmonium | reed sway | F2 major | 6.4 | hiss=26
drones/so_sorry | Glacier Holds the Door | glass fifths | E3 minor | 8 | tagged
drones/after_you | A Hum That Means Well | hum fifths | G2 major | 5.6 |
drones/boiling_point | Kettle at 98 °C | breath cluster | A4 pentatonic | 5.6 |
drones/Küchenmusik | Der Kühlschrank singt | hum sway | A1 dorian | 6 |
drones/one_short | One Long Note for Short Players | organ unison | A3 major | 5 |
drones/wax_cylinder | Anthem of a Lost Country | choir amen | C3 major | 6 |
drones/mind_the_fuse | Transformer, My Love | saw cluster | E2 pentatonic | 5.4 |
drones/ohm_sweet_ohm | Capacitor Psalm | organ sway | G2 minor | 6.2 |
drones/ohm_sweet_ohm | Bowl of Static | bowl fifths | C3 pentatonic | 6.6 | hiss=34
drones/invoice_for_the_sea | Hull Plates at Anchor | hum unison | F1 minor | 5.5 |
drones/pier_pressure | Bagpipes Under Water | reed fifths | B2 dorian | 5.8 | lowpass=2000
drones/tidy_moon | Streetlamp Choir | choir cluster | D3 pentatonic | 7 | tagged
drones/desk_drawer | Ventilation, Room 4B | breath unison | E2 minor | 5 | verbatim
weather/harbour | Tide Table | surf | | 6.8 | lowpass=9000
weather/harbour | Wind in the Rigging | wind | | 6.5 | m4a
weather/moss_garden | A Brook Explains Itself | brook | | 6 | reverb=.15
weather/ledger | The Gutter Said "Plink" | rain | | 6 | lowpass=10000 tagged
weather/ledger | Burning the Receipts | fire | | 4 | lowpass=9000 wav
weather/so_sorry | Thunder Clears Its Throat | thunder | | 7.5 |
weather/so_sorry | Snow, Sliding Politely | gale | | 6 |
weather/after_you | Hail on a Borrowed Car | hail | | 5 |
weather/ibid | Rain, ibid. | rain | | 5.5 |
weather/Küchenmusik | Dampf über Töpfen | steam | | 5 |
weather/boiling_point | Steam Takes the Stairs | steam | | 6 | reverb=.3
weather/verde_a_ratos | Tráfico bajo la lluvia | rain | | 5.4 | tagged
weather/ambar | Wind Ignores the Red Light | wind | | 6.4 |
weather/invoice_for_the_sea | Item 1, Waves | surf | | 6 |
weather/invoice_for_the_sea | Item 2, More Waves | surf | | 7 |
weather/pier_pressure | Drips Beneath the Boards | eaves | | 6.4 |
weather/pier_pressure | Gulls Not Included | gale | | 5.6 |
weather/tidy_moon | Crickets Counting to Ten | crickets | | 5 |
weather/night_bus | Wipers Off | rain | | 4.8 |
weather/desk_drawer | Paper Cuts in November | fire | | 5.2 |
chip/Window Seat | Pixel Fjord | pulse roll | F3 dorian 104 | 6.4 | lowpass=8000
chip/loose_bolts | Boss Battle with a Moth | arcade climb | A3 minor 150 | 5.4 |
chip/loose_bolts | Coin Room | thin sparkle | C4 pentatonic 138 | 4.6 | echo=.3
chip/petty_cash | Spreadsheet Quest | square climb | G3 major 128 | 5 |
chip/petty_cash | Save Point | triangle pick | D4 major 88 | 6 | reverb=.3 tagged
chip/the_attic_tapes | Cartridge Found in a Hatbox | pulse alberti | E3 minor 110 | 5.4 |
chip/footnotes | High Score, Low Morale | arcade fall | B3 minor 144 | 4.8 |
chip/footnotes | Continue? 9, 8, 7 | square walk | D3 dorian 120 | 5 |
chip/ibid | Level 1, Again | plink run | C3 major 112 | 5.6 |
chip/ibid | 100 % Completion #2 | thin roll | G3 pentatonic 132 | 5 | verbatim tagged
chip/mind_the_fuse | Joystick on Fire | arcade climb | E3 minor 160 | 4.4 |
chip/mind_the_fuse | Turbo Button | pulse tremolo | F3 major 140 | 4.8 |
chip/ohm_sweet_ohm | Resistor Ballad | triangle waltz | A3 minor 96 | 6.2 | ogg
chip/ohm_sweet_ohm | Battery Low, Spirits High | lead sigh | D4 major 84 | 6 |
chip/verde_a_ratos | Cruce de píxeles | plink strum | A3 dorian 124 | 4.8 |
chip/ambar | Press Start to Cross | square alberti | C4 major 100 | 5.2 |
chip/night_bus | Handheld, 2 a.m. | lead fall | E4 dorian 92 | 5.8 | tagged
chip/desk_drawer | Solitaire Overture | triangle run | F3 major 118 | 5 |
chip/loose_leaf | Clippings | plink sparkle | B3 pentatonic 106 | 4.8 |
chip/loose_leaf | The Printer Levels Up | arcade tremolo | D3 minor 134 | 4.6 |
bells/moss_garden | Music Box for One Fern | musicbox roll | D5 major 92 | 6.2 |
bells/moss_garden | Wedding of Two Clouds | church toll | E4 major 72 | 7 |
bells/petty_cash | Marimba Tax Return | marimba walk | A4 pentatonic 124 | 5.4 | tagged
bells/harbour | Buoy No. 7 | tines pick | B4 dorian 80 | 6.6 | echo=.25
bells/transformer | Temple of Spoons | gamelan sparkle | F4 pentatonic 84 | 5.8 | drive=1
bells/Eleven Umbrellas | Celesta in a Cloakroom | celesta waltz | G4 major 114 | 6 |
bells/Eleven Umbrellas | Carillon for Left Feet | church fall | C4 minor 96 | 6.4 |
bells/the_attic_tapes | Music Box, Missing Teeth | musicbox alberti | A4 minor 78 | 6 | hiss=27
bells/ibid | Glossary of Gongs | gong toll | D3 pentatonic 66 | 7.4 |
bells/Küchenmusik | Löffelballett für zwei | gamelan run | G4 dorian 110 | 5.2 |
bells/Küchenmusik | Cowbell, Medium Rare | cowbell walk | E4 minor 120 | 4.6 |
bells/boiling_point | Three Glasses of Water | glasses pick | C5 pentatonic 86 | 6 |
bells/one_short | Bells for the Absent Member | church sigh | F3 major 70 | 6.6 | tagged
bells/wax_cylinder | Town Clock, Restored | church toll | B3 major 80 | 6 |
bells/ohm_sweet_ohm | Doorbell Concerto | tines fall | E4 major 104 | 5.4 |
bells/invoice_for_the_sea | Dinner Bell at Sea | cowbell tremolo | A4 major 96 | 4.8 |
bells/pier_pressure | Penny Arcade Angels | celesta sparkle | C5 major 90 | 5.6 |
bells/tidy_moon | Singing Bowl, Humming Back | gong sigh | A3 dorian 60 | 5 | flac
bells/night_bus | Stop Requested | tines toll | G4 pentatonic 88 | 5.5 |
bells/loose_leaf | Glockenspiel of Paperclips | glasses climb | F4 major 126 | 5 |
"""  # noqa: RUF001 - the dash in a title is meant


class Clip(NamedTuple):
    """A row of CLIPS: file is relative to the output folder, effects by name."""

    file: str
    kind: str
    artist: str
    title: str
    format: str
    tagged: bool
    instrument: str
    pattern: str
    key: str
    mode: str
    beats_per_minute: float
    seconds: float
    effects: dict[str, float]


def parse_clip(row: str) -> Clip:
    """Return the clip that a row of CLIPS describes; the effects of the row override those of its album."""
    folder, title, sound, music, seconds, rest = (cell.strip() for cell in row.split("|"))
    artist, room = ALBUMS[folder.split("/")[-1]]
    instrument, pattern = sound.split() if " " in sound else (sound, "")
    key, mode, tempo = [*music.split(), *("C3", "major", "60")[len(music.split()) :]]
    effects = {effect: float(amount) for effect, amount in re.findall(r"(\w+)=(\S+)", f"{room} {rest}")}
    words = {word for word in rest.split() if "=" not in word}
    suffix = next(iter(words - {"tagged", "verbatim"}), "mp3")
    # Names are easy on the shell, but for some: a folder of music always has names that are not.
    is_easy = title.isascii() and "verbatim" not in words
    name = re.sub(r"\W+", "_", title.lower()).strip("_") if is_easy else title
    names = (folder.split("/")[0], artist, title, suffix, "tagged" in words, instrument, pattern, key, mode)
    return Clip(f"{folder}/{name}.{suffix}", *names, float(tempo), float(seconds), effects)


def example_clips() -> list[Clip]:
    return [parse_clip(row) for row in CLIPS.strip().splitlines()]
