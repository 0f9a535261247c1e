"""Names and texts of the examination. None stands in the corpus's pools."""

from __future__ import annotations

from random import Random


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NOUNS = _split(
    "almond anchovy antenna apron aquarium attic axe bagel balcony bamboo barley bathtub beacon "
    "beaver binder biscuit blender bonfire bracelet broom bulb bunker burrow cactus canal canoe "
    "canteen canvas caravan cereal chimney cinema clarinet cliff clinic cobweb cocoon compass "
    "copier coral cottage cradle crayon cricket crossing cushion dagger daisy dam denim desert "
    "dice dolphin drill easel elbow elevator ember envelope escalator falcon faucet fiddle flask "
    "flute folder fountain freezer galaxy garlic gazebo geyser ginger goblet gravel greenhouse "
    "gutter hammock harp hedge helmet herb hinge igloo ink iris ivy jigsaw jungle kettle kiosk "
    "ladle lagoon lantern lava ledger lobster locker magnet mango marble meteor mosaic muffin "
    "napkin nectar nettle nozzle oasis octopus orchard otter paddle pancake parachute parrot "
    "pebble pedal pelican piccolo pigeon pliers plywood poncho puddle quarry quilt quiver raccoon "
    "radish raft rake ravine ribbon ridge rudder saddle sandal sauna scooter seesaw shovel shrub "
    "sled spatula sponge spruce squid stapler stew sundial swamp tambourine tarp thermos thistle "
    "trapdoor trombone trumpet tulip turbine turnip umbrella urn vault velvet vinegar violet "
    "volcano walnut walrus wharf wheelbarrow willow yacht yogurt zebra zipper"
)
PEOPLE = _split(
    "Agnes Basil Bianca Cedric Cleo Dexter Edith Fabian Fergus Gilda Gustav Hazel Imogen Jasper "
    "Kira Lionel Mabel Magnus Nadine Odette Otto Percy Quincy Ramona Rufus Selma Stella Tobias "
    "Ursula Vivian Winston Xenia Yvonne Zelda"
)
PLACES = _split(
    "Adelaide Antwerp Bergen Bilbao Bogota Calgary Cork Dakar Dresden Durban Genoa Ghent Hanoi "
    "Kiel Leipzig Lille Nantes Odense Perth Pisa Sofia Tampa Utrecht Venice Wellington York"
)
WEEKDAYS = _split("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
ENDINGS = _split("txt txt txt md md py csv json log")


def noun(rng: Random) -> str:
    return rng.choice(NOUNS)


def stem(rng: Random) -> str:
    """The part of a file name before the dot."""
    return rng.choice(
        (
            noun(rng),
            noun(rng),
            f"{noun(rng)}_{noun(rng)}",
            f"{noun(rng)}-{noun(rng)}",
            f"{noun(rng)}{rng.randint(1, 99)}",
        )
    )


def file_name(rng: Random) -> str:
    return f"{stem(rng)}.{rng.choice(ENDINGS)}"


def file_names(rng: Random, count: int) -> list[str]:
    """As many different ones, in the order in which a folder lists them."""
    names: set[str] = set()
    while len(names) < count:
        names.add(file_name(rng))
    return sorted(names)


def text(rng: Random) -> str:
    """A line as somebody would dictate it."""
    return rng.choice(
        (
            f"the {noun(rng)} is behind the {noun(rng)}",
            f"call {rng.choice(PEOPLE)} about the {noun(rng)}",
            f"meet {rng.choice(PEOPLE)} in {rng.choice(PLACES)}",
            f"two {noun(rng)}s and a {noun(rng)}",
            f"bring the {noun(rng)} on {rng.choice(WEEKDAYS)}",
            f"{noun(rng)} {noun(rng)}",
            f"{rng.choice(PEOPLE)} has my {noun(rng)}",
        )
    )


def fact(rng: Random, topic: str) -> str:
    """Something to remember about ``topic``."""
    return rng.choice(
        (
            f"my {topic} is in {rng.choice(PLACES)}",
            f"the {topic} code is {rng.randint(100, 9999)}",
            f"{rng.choice(PEOPLE)} borrowed the {topic}",
            f"my {topic} is due on {rng.choice(WEEKDAYS)}",
            f"the {topic} belongs to {rng.choice(PEOPLE)}",
        )
    )
