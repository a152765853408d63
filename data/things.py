"""Write names-of-things.csv to this folder: invented names of ten kinds of things."""

from __future__ import annotations

import argparse
import csv
import random
import re
from pathlib import Path

FILE = Path(__file__).parent / "names-of-things.csv"
NAMES_OF_A_KIND = 420

# What patterns name in braces: words, where _ stands for a space, or a list of further patterns.
# Most words serve several kinds, so that one word alone seldom settles what kind a thing is.
LISTS: dict[str, str | list[str]] = {
    "colour": """Silver Golden Crimson Amber Copper Green White Black Scarlet Blue Grey Pale Russet
        Ivory Violet Sooty""",
    "mood": """Merry Sleepy Crooked Patient Lucky Hungry Humble Sorry Drowsy Jolly Lonely Wandering
        Laughing Weary Honest Bashful Stubborn Hasty Tipsy Gallant Idle Curious Frosty Thirsty
        Dancing Grumbling Reluctant Forgetful Thoughtful Barefoot Whistling Second-Best""",
    "beast": """Otter Heron Badger Fox Hare Magpie Goose Owl Hedgehog Stag Raven Pike Toad Wren
        Newt Mole Lark Weasel Mackerel Gull Ram Boar Cormorant Ferret Kestrel Salmon Mule Cricket
        Moth Pelican Sparrow Walrus Dormouse Puffin""",
    "thing": """Lantern Kettle Anchor Barrel Bell Candle Spoon Wheel Crown Button Ladle Thimble Key
        Drum Feather Boot Chimney Fiddle Plough Compass Basket Pillow Mirror Teapot Hammer Ribbon
        Umbrella Ladder Needle Saucer Wheelbarrow Acorn""",
    "trade": """Miller Cooper Tinker Baker Ferryman Weaver Piper Shepherd Cobbler Beekeeper Fiddler
        Chandler Drover Carter Thatcher Saddler Gardener Falconer Brewer Clockmaker Cartographer
        Gravedigger Ploughman Bellringer Lamplighter Tailor Cellist Footman Librarian Bishop
        Widow Astronomer""",
    "folk": """Tansy Quill Bramblow Pettigrue Marrable Fennick Hobbin Tolliver Wimple Dunnock
        Mossop Crickle Larkham Oddity Plimsole Thistleby Grubbin Nettleship Pockett Brindle Fosset
        Mabbot Ottery Trundle Whistlecroft Yarrow Hattersby Quince Snodgrove Applewick""",
    "first": """Perrin Marigold Odile Tobias Hester Barnaby Lettice Ambrose Clemency Rufus Winifred
        Jasper Prudence Cuthbert Isolde Mortimer Tabitha Linus Dorothea Felix Agnes Humphrey""",
    "plant": """Nettle Moonwort Bramble Sage Juniper Thistle Elder Clover Fennel Mugwort Sorrel Ivy
        Rosehip Bilberry Heather Tansy Quince Damson Woodruff Bracken Lovage Teasel Samphire""",
    "virtue": """Patience Mercy Hope Courage Candour Modesty Thrift Prudence Constancy Delight
        Gratitude Regret Luck Mischief Fortune Solitude Resolve Charity Folly Bravado""",
    "weather": """Fog Moonlight Thunder Dew Frost Dusk Sunrise Drizzle Starlight Hail Snow Mist
        Midnight Lightning Twilight Rain""",
    "effect": """Whispers Sleep Second_Thoughts Silence Sudden_Wit Small_Hours Old_Songs Warm_Socks
        Borrowed_Time Good_Company Lost_Keys Long_Shadows Early_Rising Plain_Speaking Deep_Water
        Forgotten_Birthdays Quiet_Feet Cold_Tea Remembering Excellent_Timing Unlikely_Friends
        Clean_Windows Mild_Regret Better_Manners Falling_Upwards Perfect_Toast Autumn Crows
        Not_Being_Seen Distant_Bells Half-Truths Understanding_Cats Sensible_Shoes Open_Doors""",
    "number": "Two Three Four Five Seven Nine Eleven Twelve",
    "size": "Great Little Upper Lower Nether Long Much Temple Dry Over",
    "old": "Old Little Great Lesser Last",
    "title": "Mother Uncle Doctor Aunt Captain Goody Professor Sister",
    # villages, whose names are also those of cheeses, ships and ghosts
    "root": """Thistle Mallow Wether Brook Ember Hollin Otter Cran Fen Marl Puddle Withy Bram Stone
        Elder Gorse Lark Muck Pipe Quarrel Rook Saffer Tam Wick Yaffle Dunny Honey Cobble Apple
        Barley Crumb Drizzle Fiddle Hag Tuppen Wobber Sedge Mickle""",
    "ending": """ford combe wick by stead bridge ham ley mere thorpe cote hurst bury dale wold worth
        ditch bottom thwaite stow""",
    "river": "Wend Trickle Ouzel Sedge Mardle Tuppet Brindle Lull Wimble Skerry Dawdle Plash",
    "part": "Green Parva Magna Episcopi Cross Regis End Abbas Common Mill",
    "spot": "Cross Bottom Corner Hatch Ferry Rest Leap Folly Stile Gate Elbow Well",
    "hill": "Edge Wold Tor Hanger Knoll Rigg Beacon Moor",
    "place": ["{root}{ending}"],
    # parts of names that are neither words nor places
    "roar": "Vor Skar Ash Mor Thr Gh Kra Ys Ember Zal Ur Drau Vesh Cinder Sul Nyx Oth Ign Rauk Bel",
    "growl": "a o i u ara oro ei aga ymo eri",
    "hiss": "x th gar nax rith dros mir ssa vyr goth lung rax zeth the mund goroth veil",
    "orb": "Tess Oru Kel Lum Arc Vel Syr Ono Peth Cal Ixi Ter Hal Zeph Nov Ery Quil Mir Ant Ula",
    "orbit": "a e i o u ara eli oni upa ia edo ali",
    "glow": "ra lys th n dor via mbra ssa nis ndi rion pha le rus xis na",
    "curd": "Brim Tol Mar Cas Frou Per Gob Tam Bel Cro Vin Mon Sar Lau Pon Bouch Clar Dou",
    "whey": "bel ton i e ar o ou inel an ber a del",
    "rind": "ette elle in on and otte ine igny etto olo ac oise",
}

KINDS = {
    "book": [
        "A Short History of {effect}",
        "The {trade} Who Married a {beast}",
        "The {trade} Who Stole {number} {thing}s",
        "Letters to a {mood} {beast}",
        "How to Talk to a {beast}",
        "How to Mend a {thing} in {number} Days",
        "On the {virtue} of {beast}s",
        "A Field Guide to {mood} {trade}s",
        "{virtue} and {virtue}",
        "My Life Among the {beast}s",
        "The {thing} and Other Stories",
        "{number} Nights in {place}",
        "The {mood} {trade} of {place}",
        "The Art of {effect}",
        "{first} and the {colour} {thing}",
        "{effect}: A Memoir",
        "An Introduction to {effect}",
        "Where the {beast} Sleeps",
        "The {trade}'s {thing}",
        "The {mood} {trade}",
        "{title} {folk} Investigates",
    ],
    "cheese": [
        "{place} Blue",
        "{old} {place}",
        "{old} {folk}",
        "{place} {truckle}",
        "{plant} {truckle}",
        "{smoke} {place}",
        "{smoke} {curd}{whey}{rind}",
        "{curd}{whey}{rind}",
        "{curd}{rind}",
        "{curd}{rind} with {plant}",
        "{folk}'s {truckle}",
        "{title} {folk}'s {colour} {truckle}",
        "The {trade}'s {truckle}",
        "{mood} {trade}",
        "{colour} {curd}{rind}",
        "{place} with {plant}",
        "{weather} {truckle}",
    ],
    "dragon": [
        "{roar}{growl}{hiss}",
        "{roar}{hiss}",
        "{roar}{growl}{hiss}, {doom}",
        "{roar}{hiss}, {doom}",
        "{roar}{growl}{hiss} the {mood}",
        "{roar}{growl}{hiss} the {colour}",
        "{roar}{growl}{hiss} of the {number} {thing}s",
        "{old} {scale}{wing}",
        "{scale}{wing}",
        "The {scale}{wing} of {place}",
        "{roar}{hiss}, Terror of {place}",
    ],
    "ghost": [
        "The {wail} {trade}",
        "The {wail} {trade} of {place}",
        "The {colour} {trade}",
        "The {colour} Lady of {place}",
        "{wail} {first}",
        "The {trade} of {place}",
        "The {beast} on the Stairs",
        "Cold {first}",
        "{first} Without a {thing}",
        "Sir {first} the {wail}",
        "{first} Who {haunts}",
        "The {trade} Who {haunts}",
        "{title} {folk}'s Shadow",
        "The {thing} That {haunts}",
    ],
    "planet": [
        "{orb}{orbit}{glow}",
        "{orb}{orbit}{glow}",
        "{orb}{glow}",
        "{orb}{orbit}{glow} {numeral}",
        "{orb}{glow} {numeral}",
        "{greek} {orb}{orbit}{glow}",
        "{orb}{orbit}{glow} {rank}",
        "New {place}",
        "{folk}'s {world}",
        "{first}'s {world}",
        "{virtue} {numeral}",
        "The {trade}'s {world}",
        "{weather} {numeral}",
        "{old} {orb}{glow}",
    ],
    "potion": [
        "{draught} of {effect}",
        "{draught} of {effect}",
        "{draught} of {virtue}",
        "{draught} of {colour} {plant}",
        "{title} {folk}'s {cordial}",
        "{folk}'s {mood} {cordial}",
        "{plant} {cordial}",
        "{plant} and {plant} {cordial}",
        "Bottled {weather}",
        "Bottled {virtue}",
        "{colour} {cordial}",
        "Essence of {thing}",
        "The {trade}'s {cordial}",
        "{number} Drops of {weather}",
    ],
    "ship": [
        "The {colour} {beast}",
        "The {mood} {beast}",
        "The {mood} {first}",
        "{virtue} of {place}",
        "{first} of {place}",
        "Lady {first}",
        "{sea}{doer}",
        "The {trade}'s {virtue}",
        "{virtue} and {virtue}",
        "{weather} {beast}",
        "The {mood} {trade}",
        "{old} {folk}",
        "{virtue}",
        "The {sea}{doer}",
        "{number} {beast}s",
        "{captain} {folk}",
        "Another {virtue}",
    ],
    "spell": [
        "{folk}'s {mood} {thing}",
        "{folk}'s {charm}",
        "{folk}'s {mood} {charm}",
        "{charm} of {effect}",
        "{charm} of {effect}",
        "{cast} {thing}",
        "{cast} {beast}",
        "{cast} {weather}",
        "{rank_of} {charm} of {virtue}",
        "{number}fold {charm}",
        "{beast} to {thing}",
        "{weather} {charm}",
        "{cast} {mood} {trade}",
        "The {trade}'s {charm}",
    ],
    "tavern": [
        "The {colour} {beast}",
        "The {mood} {beast}",
        "The {mood} {trade}",
        "The {colour} {trade}",
        "The {beast} and {thing}",
        "The {beast} and {beast}",
        "The {trade}'s {rest}",
        "The {trade} and {thing}",
        "{number} {thing}s",
        "{number} {mood} {beast}s",
        "The {colour} {thing}",
        "The {place} Arms",
        "{title} {folk}'s",
        "The {thing} at {place}",
        "The {mood} {thing}",
        "The {folk} Arms",
        "{folk}'s {rest}",
    ],
    "village": [
        "{place}",
        "{place}",
        "{place}",
        "{size} {place}",
        "{place}-on-{river}",
        "{place} {part}",
        "{folk}'s {spot}",
        "{place}-under-{hill}",
        "{beast}'s {spot}",
        "{size} {river}",
        "{trade}'s {spot}",
        "{root}{ending} by the {river}",
    ],
}

LISTS |= {
    "truckle": "Truckle Crumbly Wheel Button Wedge Curd Round Log Cream Crumble",
    "smoke": "Smoked Ash-Rolled Cave-Aged Double Hay-Wrapped Soft Washed",
    "doom": [
        "Eater of {thing}s",
        "Who Sleeps under {place}",
        "Bane of {trade}s",
        "the {weather} Below",
        "Hoarder of {thing}s",
        "Last of the {number}",
        "Mother of {weather}",
        "Afraid of {beast}s",
    ],
    "scale": "Cinder Ember Soot Smoke Frost Thunder Copper Dusk Ash Storm Kettle Gloom Dread",
    "wing": "wing claw tail scale tooth maw breath fang coil snout",
    "wail": """Weeping Drowned Headless Whispering Hollow Sighing Late Lost Wailing Faceless
        Dripping Coughing Vanishing Unpaid Knocking""",
    "haunts": """Hums Knocks_Twice Never_Left Counts_Spoons Walks_Backwards Forgot Waits Tidies_Up
        Rings_at_Midnight Came_Home Turns_Pages Asks_the_Time Smells_of_Rain""",
    "numeral": "II III IV V VI VII IX XI XII",
    "greek": "Alpha Beta Gamma Delta Epsilon Theta Kappa Sigma Omega",
    "rank": "Major Minor Prime Secunda Ultima Borealis",
    "world": "World Rest Folly Landing Reach Star Moon Hope Mistake",
    "draught": "Draught Tincture Elixir Philtre Drops Potion Syrup Spoonful Flask Decoction",
    "cordial": "Cordial Tonic Syrup Elixir Bitters Remedy Balm Restorative Linctus Drops",
    "sea": "Wave Gale Foam Storm Tide Wind Star Moon Surf Cloud Reef Dawn",
    "doer": "breaker chaser dancer runner singer rider mender piper hopper weaver strider",
    "captain": "Admiral Captain Duchess Lady Old Good",
    "charm": """Charm Ward Shroud Veil Curse Hex Blessing Circle Knot Lullaby Beckoning Riddle
        Glamour Mending Whirlwind""",
    "cast": "Summon Mend Banish Conceal Charm Befriend Unlock Wake Shrink Multiply Conjure",
    "rank_of": "Lesser Greater Minor Grand Hasty",
    "rest": "Rest Elbow Arms Thirst Cellar Welcome Pocket Return Supper Table Cup",
}

REPAIRS = {  # after a plain plural and a plain article
    r"Gooses\b": "Geese",
    r"Dormouses\b": "Dormice",
    r"(Salmon|Mackerel)s\b": r"\1",
    r"(Fox|Walrus|Compass)s\b": r"\1es",
    r"mans\b": "men",
    r"\ba (?=[AEIOU])": "an ",
}


def words(name: str) -> list[str]:
    """Return the words or patterns of a list."""
    found = LISTS[name]
    return found if isinstance(found, list) else [word.replace("_", " ") for word in found.split()]


def name_from(pattern: str, draw: random.Random) -> str:
    """Return a name: each pair of braces replaced by a word of its list, no word twice."""
    while match := re.search(r"{(\w+)}", pattern):
        left = [word for word in words(match[1]) if word not in pattern] or words(match[1])
        word = left[int(draw.random() * len(left))]  # random() is the same in every Python
        pattern = pattern[: match.start()] + word + pattern[match.end() :]
    for wrong, right in REPAIRS.items():
        pattern = re.sub(wrong, right, pattern)
    return pattern


def names_of(kind: str) -> list[str]:
    """Return different names of a kind, from its patterns in turn."""
    draw = random.Random(kind)
    names: dict[str, None] = {}  # a set that keeps its order
    while len(names) < NAMES_OF_A_KIND:
        for pattern in KINDS[kind]:
            names[name_from(pattern, draw)] = None
    return sorted(list(names)[:NAMES_OF_A_KIND])


def main() -> None:
    """Write the table, kind by kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=FILE)
    file = parser.parse_args().file
    rows = [(kind, name) for kind in KINDS for name in names_of(kind)]
    with file.open("w", encoding="utf-8", newline="") as table:
        csv.writer(table, lineterminator="\n").writerows([("kind", "name"), *rows])
    print(f"{file}: {len(rows):,} names of {len(KINDS)} kinds")


if __name__ == "__main__":
    main()
