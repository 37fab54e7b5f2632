"""Playing in the terminal: what a person types, what is shown, and how commands fail."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import envs
from envs.tools import make_tool
from rewards.errors import ConfigError
from rewards.score import Part, Score
from rewards.transcript import Message
from scripts.cli import run
from scripts.play import play, read_call, read_text, read_turn, show_messages, show_score, signature

ROOT = Path(__file__).parents[2]


def look(city: str, days: int = 1) -> str:
    """Looks at a city."""
    return city


TOOLS = (make_tool(look),)


def typed(*lines: str):
    """A keyboard on which these lines are typed, then the input ends."""
    rest = iter(lines)

    def read_line() -> str:
        try:
            return next(rest)
        except StopIteration:
            raise EOFError from None

    return read_line


def played(env, *lines: str, seed: int = 3, expert: bool = False) -> tuple[int, str]:
    out = io.StringIO()
    code = play(env, Console(file=out, width=200), typed(*lines), seed, expert)
    return code, out.getvalue()


def command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "scripts/play.py", *arguments], cwd=ROOT, input=stdin, capture_output=True, text=True
    )


# Calls in the short form.


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ('look(city="Oslo")', {"city": "Oslo"}),
        ("  look('Oslo', 2) ", {"city": "Oslo", "days": 2}),
        ("look('Oslo', days=-2)", {"city": "Oslo", "days": -2}),
        ("look()", {}),
        ("look(city='a)b', days=[1, {'k': None}])", {"city": "a)b", "days": [1, {"k": None}]}),
    ],
)
def test_a_short_call_is_read(line, arguments):
    call = read_call(line, TOOLS)
    assert (call.name, call.arguments, call.error) == ("look", arguments, None)


@pytest.mark.parametrize("line", ["", "look", "hello (you)", "find(city='Oslo')", "Answer: look(1)"])
def test_other_lines_are_text(line):
    assert read_call(line, TOOLS) is None


@pytest.mark.parametrize(
    "line",
    [
        "look(",
        "look(city=Oslo)",
        "look(open('/etc/passwd').read())",
        "look(__import__('os').getcwd())",
        "look('a').x",
        "look('a') + look('b')",
        "look('a', 1, 2)",
        "look('a', city='b')",
        "look(**{'city': 'a'})",
        "look(*['a'])",
        "look(" + "(" * 500 + ")" * 500 + ")",
        "look('" + "a" * 5_000 + "')",
    ],
)
def test_a_call_with_more_than_plain_values_is_refused_with_the_way_to_write_it(line):
    with pytest.raises(ConfigError, match=r"write (look\(|at most)"):
        read_call(line, TOOLS)


@given(st.text(alphabet="look(city=')\"0123[]{},:*.- \\\n"))
def test_any_text_becomes_an_action_or_a_clear_error(text):
    try:
        action = read_turn("look(" + text, TOOLS)
    except ConfigError as error:
        action = str(error)
    assert isinstance(action, str | Message)


def test_calls_on_several_lines_are_one_turn_with_distinct_ids():
    message = read_turn("look('a')\nlook('b')", TOOLS)
    assert [(c.arguments["city"], c.id) for c in message.tool_calls] == [("a", "call_0"), ("b", "call_1")]


def test_calls_beside_text_are_refused_and_code_blocks_are_text():
    with pytest.raises(ConfigError, match="write calls alone"):
        read_turn("let me see\nlook('a')", TOOLS)
    assert read_turn("```python\nlook('a')\n```", TOOLS) == "```python\nlook('a')\n```"


def test_the_hermes_form_is_left_to_the_environment():
    text = '<tool_call>{"name": "look", "arguments": {"city": "Oslo"}}</tool_call>'
    assert read_turn(text, TOOLS) == text


def test_a_signature_names_types_and_defaults():
    assert signature(TOOLS[0]) == "look(city: string, days: integer = 1)"


# Input of several lines.


def test_an_empty_line_ends_the_turn():
    assert read_text(typed("3 * 4 = 12", "Answer: 12", "", "later")) == "3 * 4 = 12\nAnswer: 12"


def test_an_empty_line_within_a_code_block_is_text():
    assert read_text(typed("```python", "a = 1", "", "b = 2", "```", "")) == "```python\na = 1\n\nb = 2\n```"


def test_the_end_of_input_ends_the_turn_too():
    assert read_text(typed("Answer: 12")) == "Answer: 12"
    assert read_text(typed()) is None


# Episodes.


def test_a_person_plays_to_a_score_with_its_parts_and_reasons():
    env = envs.make("postgym/WordProblems-v0", difficulty=0.0)
    task = env.sample_task(3)
    code, out = played(env, f"Answer: {task.target['value']}", "")
    assert code == 0
    assert task.id in out
    assert "score 0.850 (ok)" in out
    assert "no equation leads to the answer" in out


def test_a_person_calls_a_tool_after_a_call_that_could_not_be_read():
    env = envs.make("postgym/WordProblems-v0", difficulty=0.0, calculator=True)
    left = env.sample_task(3).target["work"][0].partition(" = ")[0]
    answer = f"Answer: {env.sample_task(3).target['value']}"
    code, out = played(env, "calculate(1 +", "", f'calculate("{left}")', "", answer, "")
    assert code == 0
    assert "calculate(expression: string)" in out
    assert "can't be read" in out
    assert "score 1.000 (ok)" in out


def test_the_expert_plays_without_a_person():
    code, out = played(envs.make("postgym/WordProblems-v0", calculator=True), expert=True)
    assert code == 0
    assert "score 1.000 (ok)" in out


def test_input_that_ends_early_leaves_the_episode_unfinished():
    code, out = played(envs.make("postgym/WordProblems-v0"))
    assert code == 1
    assert "the input ended before the episode did" in out


def test_brackets_in_messages_and_reasons_are_not_read_as_markup():
    out = io.StringIO()
    console = Console(file=out, width=200)
    show_messages(console, [Message("tool", "[bold]a[/bold] [/x]")])
    show_score(console, Score(0.5, "[/y]", (Part("p", 0.5, 1.0, "[red]why[/z]"),)))
    assert "[bold]a[/bold] [/x]" in out.getvalue()
    assert "[red]why[/z]" in out.getvalue()


# The command.


def test_the_command_plays_from_the_repository_root():
    done = command("postgym/WordProblems-v0", "--seed", "3", "--difficulty", "0", "--expert")
    assert done.returncode == 0, done.stderr
    assert "score 1.000" in done.stdout


def test_a_person_can_pipe_an_answer_in():
    done = command("postgym/WordProblems-v0", "--seed", "3", stdin="Answer: 0\n\n")
    assert done.returncode == 0, done.stderr
    assert "score 0.000" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["postgym/WordProblem-v0"], "did you mean"),
        (["postgym/WordProblems-v0", "--difficulty", "4"], "outside 0 to 1"),
        (["postgym/WordProblems-v0", "--split", "dev"], "use 'train' or 'test'"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_two(arguments, says):
    done = command(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_debug_shows_the_stack_trace():
    assert "Traceback" in command("postgym/Nothing-v0", "--debug").stderr


# The guard around every command.


def raises(error: BaseException):
    def main() -> int:
        raise error

    return main


def test_the_guard_passes_exit_codes_on():
    assert run(lambda: None) == 0
    assert run(lambda: 3) == 3


def test_the_guard_turns_an_error_that_can_be_mended_into_one_line(capsys):
    assert run(raises(ConfigError("steps is -1; use 1 or more"))) == 2
    assert capsys.readouterr().err == "error: steps is -1; use 1 or more\n"


def test_the_guard_lets_a_program_error_through():
    with pytest.raises(ZeroDivisionError):
        run(raises(ZeroDivisionError()))


def test_ctrl_c_is_exit_code_130():
    assert run(raises(KeyboardInterrupt())) == 130


@pytest.mark.parametrize("error", [ConfigError("x"), KeyboardInterrupt()])
def test_debug_lets_everything_through(monkeypatch, error):
    monkeypatch.setattr(sys, "argv", ["play.py", "--debug"])
    with pytest.raises(type(error)):
        run(raises(error))
