"""The examination: requests in plain words, the calls they ask for, and what the answer must say.

Requests marked ``held_out`` never stand in the corpus in these words (``corpus`` drops them, capitals
and final punctuation aside). The others are what everybody types, and may well stand there.
"""

# ruff: noqa: E501  (a template, like a table row, reads best on one line)

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .scene import Step
from .tools import Parameter, Tool


@dataclass(frozen=True, slots=True)
class Question:
    """``steps`` are the expected calls with the results to give; ``says`` must be in the answer."""

    intent: str
    request: str
    steps: tuple[Step, ...] = ()
    says: tuple[str, ...] = ()
    held_out: bool = True
    tools: tuple[Tool, ...] = field(default=())


def _ask(
    intent: str, request: str, tool: str, result: str, *says: str, **arguments: Any
) -> Question:
    return Question(intent, request, (Step(tool, arguments, result),), says)


def _talk(intent: str, request: str, *says: str) -> Question:
    return Question(intent, request, (), says)


def _list(request: str, *names: str, **arguments: Any) -> Question:
    return _ask("list", request, "list_files", "\n".join(names) or "(empty)", *names, **arguments)


def _read(request: str, path: str, result: str, *says: str) -> Question:
    return _ask("read", request, "read_file", result, *(says or (result,)), path=path)


def _write(request: str, path: str, text: str) -> Question:
    size = f"wrote {len(text)} bytes to {path}"
    return _ask("write", request, "write_file", size, path, path=path, text=text)


def _search(request: str, result: str, *says: str, **arguments: Any) -> Question:
    return _ask("search", request, "search_files", result, *says, **arguments)


def _sum(request: str, expression: str, result: str) -> Question:
    return _ask("calculate", request, "calculate", result, result, expression=expression)


def _spawn(request: str, task: str, pid: int, answer: str) -> Question:
    wait = Step("wait", {"pid": pid}, f"pid {pid} exited with status 0: {answer}")
    return Question(
        "spawn", request, (Step("spawn", {"task": task}, f"pid {pid}"), wait), (answer,)
    )


def _note(request: str, text: str) -> Question:
    return _ask("remember", request, "remember", "noted", text, text=text)


def _recall(request: str, query: str, result: str, *says: str) -> Question:
    return _ask("recall", request, "recall", result, *(says or (result,)), query=query)


def _known(question: Question) -> Question:
    return Question(question.intent, question.request, question.steps, question.says, False)


ACCEPTANCE: tuple[Question, ...] = tuple(
    _known(question)
    for question in (
        _list("list the files here", "greet.txt", "notes.txt", "src/", "todo.md"),
        _sum("what is 37 * 12", "37 * 12", "444"),
        _read("read notes.txt", "notes.txt", "buy milk and call Ada on Tuesday"),
        _note("remember that my flight is at nine", "my flight is at nine"),
        _recall("what did I say about my flight", "flight", "my flight is at nine"),
        _spawn(
            "start a helper that lists the files", "list the files", 4,
            "This folder holds: greet.txt, notes.txt, src/.",
        ),
    )
)  # fmt: skip

_WC = Tool("word_count", "Count the words of a text file.", (Parameter("path"),))
_SHOUT = Tool("shout", "Shout a text back in capitals.", (Parameter("text"),))
_REVERSE = Tool("reverse", "Write a text backwards.", (Parameter("text"),))
_GREP = Tool("grep", "Search files for a regular expression.",
             (Parameter("pattern"), Parameter("path", default=".")))  # fmt: skip
_TIDE = Tool("tide", "Tell when the tide is high at a harbour.", (Parameter("harbour"),))
_LAMP = Tool("lamp_on", "Switch the lamp on.", ())


def _plugin(request: str, tool: Tool, result: str, *says: str, **arguments: Any) -> Question:
    step = Step(tool.name, arguments, result)
    return Question("plugin", request, (step,), says or (result,), True, (tool,))


EVERYDAY: tuple[Question, ...] = tuple(
    _known(question)
    for question in (
        _talk("talk", "hi", "Hello"),
        _talk("talk", "thanks", "welcome"),
        _talk("abilities", "what can you do?", "list_files", "recall"),
        _ask("now", "what time is it?", "now", "Monday 2026-11-23 14:05:31", "14:05:31"),
        _list("what files are in src?", "main.py", "util.py", path="src"),
        _read("please show me todo.md", "todo.md", "- paint the fence\n- feed the cat"),
        _sum("how much is 1250 / 4?", "1250 / 4", "312.5"),
        _write("write hello world to greet.txt", "greet.txt", "hello world"),
        _search("search for TODO", "src/main.py:7: # TODO: tidy up", "src/main.py:7: # TODO: tidy up",
                pattern="TODO"),
        _ask("processes", "which processes are running", "list_processes",
             "1 blocked init\n3 blocked shell", "init", "shell"),
        _ask("kill", "kill process 4", "kill", "killed pid 4", "4", pid=4),
    )
)  # fmt: skip

QUESTIONS: tuple[Question, ...] = (
    _list("I would like to know which files we have here", "a.py", "readme.md"),
    _list("could you have a look which files are in this folder?", "boat.txt", "quim.csv", "zed/"),
    _list("Any files around here?", "notes.txt"),
    _list("enumerate the files", "one.txt", "two.txt"),
    _list("What do we find in the folder tests?", "test_boot.py", "test_ipc.py", path="tests"),
    _list("give me a listing of docs", "guide.md", "index.html", path="docs"),
    _list("tell me which files are inside old-photos", "beach.jpg", "cat.jpg", path="old-photos"),
    _list("please list grolvex/data", path="grolvex/data"),
    _ask("error", "list the files in nowhere", "list_files", "ENOENT: no such folder: nowhere",
         "no folder nowhere", path="nowhere"),
    _read("Could you read me the file budget-2024.csv?", "budget-2024.csv", "rent,900\nfood,350"),
    _read("what's written in letter.txt?", "letter.txt", "Dear Tom, the boat is ready."),
    _read("i want to know what is in src/main.py", "src/main.py", "print(\"hello\")"),
    _read("kindly open the file named plan_b.md", "plan_b.md", "sell the old car"),
    _read("display the contents of shopping-list.txt", "shopping-list.txt", "eggs\nflour\nbutter"),
    _read("READ diary.txt", "diary.txt", "today the owl came back"),
    _read("what does wumfle.txt say", "wumfle.txt", "the vault opens at six"),
    _ask("error", "read nots.txt", "read_file", "ENOENT: no such file: nots.txt", "no file nots.txt",
         path="nots.txt"),
    _ask("error", "show me src", "read_file", "EISDIR: src is a folder", "src is a folder", path="src"),
    _ask("error", "read /etc/shadow please", "read_file", "EPERM: needs fs.read:/etc/shadow",
         "needs fs.read:/etc/shadow", path="/etc/shadow"),
    _write("please write good night into bed.txt", "bed.txt", "good night"),
    _write("create a file called pets.md with the text two cats and a dog", "pets.md",
           "two cats and a dog"),
    _write('save "the key is under the mat" as key.txt', "key.txt", "the key is under the mat"),
    _write("could you put call Zelda at noon into todo.txt?", "todo.txt", "call Zelda at noon"),
    _write("make a file x.txt that says 42", "x.txt", "42"),
    _write("I want you to write buy bread to list.txt", "list.txt", "buy bread"),
    _ask("error", "write hi to boot.log", "write_file", "EPERM: needs fs.write:boot.log",
         "needs fs.write:boot.log", path="boot.log", text="hi"),
    _search("where in the files is banana mentioned?", "food.txt:2: banana bread",
            "food.txt:2: banana bread", pattern="banana"),
    _search("look for password in config", "config/app.ini:4: password = cat7",
            "config/app.ini:4: password = cat7", pattern="password", path="config"),
    _search("Which files contain the word dragon?", "no matches", "dragon", pattern="dragon"),
    _search("find \"import os\" in src please", "src/a.py:1: import os", "src/a.py:1: import os",
            pattern="import os", path="src"),
    _search("can you search everything for Quentin", "people.txt:9: Quentin Fox",
            "people.txt:9: Quentin Fox", pattern="Quentin"),
    _search("search for error_42", "no matches", "error_42", pattern="error_42"),
    _sum("What's 981 minus 18?", "981 - 18", "963"),
    _sum("please calculate 12.5 * 8", "12.5 * 8", "100.0"),
    _sum("tell me how much 7 times 8 is", "7 * 8", "56"),
    _sum("what do I get if I divide 144 by 12", "144 / 12", "12.0"),
    _sum("(17 + 4) * 3", "(17 + 4) * 3", "63"),
    _sum("could you add 250 and 775?", "250 + 775", "1025"),
    _sum("i need the sum of 31 and 19", "31 + 19", "50"),
    _sum("how much is 15% of 80", "80 * 15 / 100", "12.0"),
    _sum("multiply 64 by 3 please", "64 * 3", "192"),
    _sum("2048 / 16 = ?", "2048 / 16", "128.0"),
    _ask("error", "what is 5 / 0", "calculate", "EINVAL: division by zero", "division by zero",
         expression="5 / 0"),
    _ask("now", "could you tell me the time please?", "now", "Friday 2025-02-07 08:15:00", "08:15:00"),
    _ask("now", "What day is it today?", "now", "Friday 2025-02-07 08:15:00", "Friday"),
    _ask("now", "do you know today's date", "now", "Sunday 2031-10-05 23:59:10", "2031-10-05"),
    _ask("now", "how late is it now", "now", "Sunday 2031-10-05 23:59:10", "23:59:10"),
    _ask("processes", "show me everything that is running", "list_processes",
         "1 blocked init\n4 running list the files", "4 running list the files"),
    _ask("processes", "Which agents are alive right now?", "list_processes",
         "1 blocked init\n12 ready agent", "12 ready agent"),
    _ask("processes", "can you list all running processes please", "list_processes",
         "1 blocked init\n3 blocked shell\n7 running count", "7 running count"),
    _ask("kill", "please stop process number 12", "kill", "killed pid 12", "12", pid=12),
    _ask("kill", "terminate pid 305", "kill", "killed pid 305", "305", pid=305),
    _ask("kill", "Could you end 8?", "kill", "killed pid 8", "8", pid=8),
    _ask("error", "kill process 99", "kill", "ESRCH: no process 99", "no process 99", pid=99),
    _ask("wait", "wait for process 6 please", "wait", "pid 6 exited with status 0: It is 14:00:00.",
         "It is 14:00:00.", pid=6),
    _ask("wait", "please wait until pid 17 is finished", "wait",
         "pid 17 exited with status 1: it was killed", "it was killed", pid=17),
    _ask("wait", "what was the answer of helper 5?", "wait", "pid 5 exited with status 0: 3 + 4 = 7",
         "3 + 4 = 7", pid=5),
    _spawn("spawn an agent that reads poem.txt", "read poem.txt", 9, "poem.txt says: roses are red"),
    _spawn("please start a helper to calculate 45 * 45", "calculate 45 * 45", 6, "45 * 45 = 2025"),
    _spawn("have another agent search for bugs", "search for bugs", 21, "Found:\na.txt:1: bugs"),
    _spawn("launch a helper which lists the files in src", "list the files in src", 11,
           "src holds: main.py."),
    _spawn("could you ask a helper to tell me the time?", "tell me the time", 5, "It is 09:30:00."),
    _spawn("Start an agent that shows me readme.md", "show me readme.md", 8,
           "readme.md says: welcome"),
    _note("please remember that the garage code is 4711", "the garage code is 4711"),
    _note("Don't forget that Mia hates mushrooms!", "Mia hates mushrooms"),
    _note("note that I parked the car behind the church", "I parked the car behind the church"),
    _note("can you remember that my sister is called Wilma?", "my sister is called Wilma"),
    _note("keep in mind: the shop closes at seven", "the shop closes at seven"),
    _recall("when is my dentist appointment?", "dentist", "my dentist is on Thursday"),
    _recall("what did I tell you about the garage?", "garage", "the garage code is 4711"),
    _recall("Do you remember anything about Mia?", "Mia", "Mia hates mushrooms"),
    _recall("where did I park my car?", "car", "I parked the car behind the church"),
    _recall("what do you know about my sister", "sister", "my sister is called Wilma"),
    _recall("did I mention a zorbit?", "zorbit", "no notes about zorbit", "zorbit"),
    _talk("talk", "Hello agent!", "Hello"),
    _talk("talk", "hey, how are you doing?", "fine"),
    _talk("talk", "thank you so much", "welcome"),
    _talk("talk", "and who are you?", "agent of llmos"),
    _talk("abilities", "what are the things you can do", "list_files", "recall"),
    _talk("abilities", "tell me which tools you have", "list_files", "recall"),
    _talk("beyond", "please order me a pizza", "no tool"),
    _talk("beyond", "what's the weather like in Oslo?", "no tool"),
    _talk("beyond", "send a mail to Karl", "no tool"),
    _talk("beyond", "could you sing me a song", "no tool"),
    _plugin("how many words are in speech.txt?", _WC, "512", path="speech.txt"),
    _plugin("shout hello there", _SHOUT, "HELLO THERE", text="hello there"),
    _plugin("please reverse abcdef", _REVERSE, "fedcba", text="abcdef"),
    _plugin("grep for fn.*main in src", _GREP, "src/a.rs:3: fn main()", pattern="fn.*main", path="src"),
    _plugin("when is the tide high at Dover?", _TIDE, "at 16:20", harbour="Dover"),
    _plugin("switch the lamp on", _LAMP, "the lamp is on"),
)  # fmt: skip


def normal(request: str) -> str:
    """A request without the differences that do not make it another one."""
    return request.lower().strip(" .?!")


HELD_OUT = frozenset(normal(question.request) for question in QUESTIONS)
