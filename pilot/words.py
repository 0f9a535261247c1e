"""Word pools and makers of names that no pool holds.

A model of a few million parameters learns to *copy* only if what stands in a request is rarely
something that it could know by heart. So most names here are drawn from large products (word x
word x extension) or composed from syllables.
"""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from random import Random

from .grammar import pool


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NOUNS = pool("nouns")
ADJECTIVES = pool("adjectives")
VERBS = pool("verbs")
PEOPLE = pool("names", "people")
PLACES = pool("names", "places")

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

NUMBER_WORDS = _split(
    "one two three four five six seven eight nine ten eleven twelve noon midnight thirteen fifteen "
    "twenty thirty forty fifty"
)

EXTENSIONS = _split(
    "txt txt txt txt txt md md md py py py json csv log yaml toml cfg ini html css js sh rst tex xml "
    "sql c h rs go java dat bak out"
)

# Names that people really type; they are worth knowing, yet stay a minority of the corpus.
COMMON_FILES = _split(
    "notes.txt todo.md todo.txt readme.md README.md main.py test.py app.py setup.py config.json "
    "config.yaml data.csv server.log error.log output.txt input.txt index.html style.css Makefile "
    "Dockerfile LICENSE requirements.txt package.json pyproject.toml diary.txt shopping.txt list.txt "
    "greet.txt hello.txt hello.py plan.md report.md draft.txt ideas.txt recipes.md letter.txt names.txt "
    "numbers.txt log.txt a.txt b.txt x.txt test.txt foo.txt .env .gitignore utils.py settings.toml"
)
# What stands in people's folders and programmers' projects.
COMMON_NAMES = _split(
    "Documents/ Downloads/ Pictures/ Music/ Desktop/ Videos/ Public/ Templates/ Library/ Projects/ "
    "CHANGELOG.md CONTRIBUTING.md LICENSE Makefile README.md README Dockerfile __init__.py "
    "__main__.py __pycache__/ node_modules/ package.json package-lock.json pyproject.toml setup.py "
    "setup.cfg requirements.txt requirements/ Cargo.toml Cargo.lock go.mod main.py main.c main.rs "
    "index.html style.css app.js src/ tests/ docs/ bench/ examples/ scripts/ build/ dist/ lib/ bin/ "
    "data/ notes.txt todo.md greet.txt report.pdf thesis.tex invoice.pdf photo.jpg IMG_2041.jpg "
    "py.typed conftest.py kernel/ memory/ shell/ plugins/ syscalls/ pilot/ backup.tar.gz Untitled.txt"
)
COMMON_FOLDERS = _split(
    "src docs tests lib bin data logs build tmp notes home project scripts images examples tools "
    "config assets photos music downloads documents backup archive reports src/main docs/api "
    "data/raw .git .. /tmp /etc /home"
)

_ONSETS = _split(
    "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl fr gl gr kr pl pr qu sh sk sl sm sn sp st "
    "str sw th tr tw"
)
_VOWELS = _split("a a a e e e i i o o u ai ea ee oo ou y")
_CODAS = ("", "", "", "", *_split("n r l s t m k x nd nt rt sh ck lf mp st"))


def invented(rng: Random, syllables: int | None = None) -> str:
    """A word that exists nowhere, such as ``brashoulf``."""
    count = syllables or rng.choice((1, 2, 2, 2, 3))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(count)
    )


def noun(rng: Random) -> str:
    """A lower-case noun, one in four of them invented."""
    return invented(rng) if rng.random() < 0.25 else rng.choice(NOUNS)


def name(rng: Random) -> str:
    """A person's name, one in five of them invented."""
    return invented(rng).capitalize() if rng.random() < 0.2 else rng.choice(PEOPLE)


def full_name(rng: Random) -> str:
    return f"{name(rng)} {rng.choice(pool('names', 'surnames'))}"


def one(rng: Random, head: str) -> str:
    """A word of a block of ``requests/names.txt``: countries, languages, colours, units ..."""
    return rng.choice(pool("names", head))


def place(rng: Random) -> str:
    return invented(rng).capitalize() if rng.random() < 0.2 else rng.choice(PLACES)


def digits(rng: Random, longest: int = 4) -> str:
    """A whole number without leading zeros, its length drawn evenly."""
    length = rng.randint(1, longest)
    low = 10 ** (length - 1) if length > 1 else 0
    return str(rng.randint(low, 10**length - 1))


def date(rng: Random) -> str:
    return f"{rng.randint(1990, 2039)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def clock(rng: Random) -> str:
    return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"


def identifier(rng: Random) -> str:
    """A name as programmers write them: snake, kebab, CamelCase, or letters and digits."""
    parts = [noun(rng) for _ in range(rng.choice((1, 2, 2, 3)))]
    match rng.randrange(6):
        case 0 | 1:
            return "_".join(parts)
        case 2:
            return "-".join(parts)
        case 3:
            return "".join(part.capitalize() for part in parts)
        case 4:
            return parts[0] + digits(rng, 3)
        case _:
            return parts[0].upper()


def stem(rng: Random) -> str:
    """The part of a file name before the dot."""
    draw = rng.random()
    if draw < 0.5:
        return noun(rng)
    if draw < 0.85:
        return identifier(rng)
    return rng.choice(
        (date(rng), f"{noun(rng)}-{date(rng)}", f"{noun(rng)}.{noun(rng)}", digits(rng))
    )


def file_name(rng: Random) -> str:
    """A file name without a folder."""
    if rng.random() < 0.2:
        return rng.choice([file for file in COMMON_FILES if "/" not in file])
    return f"{stem(rng)}.{rng.choice(EXTENSIONS)}"


def folder(rng: Random) -> str:
    """A folder as a person names it, seldom with a slash behind it."""
    draw = rng.random()
    if draw < 0.3:
        path = rng.choice(COMMON_FOLDERS)
    elif draw < 0.8:
        path = noun(rng) if rng.random() < 0.6 else identifier(rng)
    else:
        path = f"{noun(rng)}/{noun(rng)}"
        if rng.random() < 0.2:
            path = "/" + path
    return path + "/" if rng.random() < 0.08 else path


def file_path(rng: Random) -> str:
    """A file, one in four of them inside a folder."""
    return file_name(rng) if rng.random() < 0.75 else f"{folder(rng).rstrip('/')}/{file_name(rng)}"


def number(rng: Random) -> str:
    """A number as one types it into a calculator."""
    draw = rng.random()
    if draw < 0.86:
        return digits(rng, 5)
    if draw < 0.96:
        return f"{digits(rng, 3)}.{digits(rng, 2)}"
    return f"{rng.randint(1, 99)}000"


def token(rng: Random) -> str:
    """Something to search for: one word, an identifier, a number, a marker."""
    draw = rng.random()
    if draw < 0.15:
        return rng.choice(
            (
                "TODO",
                "FIXME",
                "error",
                "import",
                "hello",
                "def",
                "password",
                "XXX",
                "warning",
                "class",
            )
        )
    if draw < 0.65:
        return noun(rng)
    if draw < 0.85:
        return identifier(rng)
    return rng.choice((digits(rng), name(rng), date(rng), rng.choice(VERBS)))
