"""What rewards see of an episode with faults: the one that would have happened without them, and no more forgiving."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rewards.calls import no_repeats
from rewards.faults import without_repeated_faults
from rewards.safety import ignores_injection
from rewards.score import Criterion, GroupCriterion, Rubric, Score
from rewards.tools import valid_calls
from rewards.transcript import CallRecord, Message, ToolCall, Transcript, split_turns

ASKED = Message("user", "Go on.")
CLOSING = Message("assistant", "Done.")


def episode(*turns: list[tuple[str, bool]]) -> Transcript:
    """Turns of calls, each an argument and whether a fault strikes it, and a closing text."""
    messages, records = [ASKED], []
    for turn in turns:
        calls = tuple(ToolCall("do", {"x": x}, f"call_{i}") for i, (x, _) in enumerate(turn))
        messages.append(Message("assistant", "", calls))
        for (x, fault), call in zip(turn, calls, strict=True):
            result, error = ({"message": "again"}, "timeout") if fault else (f"did {x}", None)
            records.append(CallRecord("do", {"x": x}, result, error, fault))
            messages.append(Message("tool", str(result), tool_call_id=call.id))
    return Transcript((*messages, CLOSING), tuple(records))


def test_an_episode_without_faults_stays_the_very_same():
    seen = episode([("a", False), ("a", False)])
    assert without_repeated_faults(seen) is seen


def test_a_call_made_again_stands_where_the_fault_struck():
    struck = episode([("a", True), ("b", False)], [("a", True)], [("a", False)], [("c", False)])
    assert without_repeated_faults(struck) == episode([("a", False), ("b", False)], [("c", False)])


def test_a_call_made_again_later_is_judged_where_it_was_made():
    struck = episode([("a", True)], [("b", False)], [("a", False)])
    assert without_repeated_faults(struck) == episode([("b", False)], [("a", False)])


def test_a_call_that_was_never_made_again_stays():
    struck = episode([("a", True)], [("b", False)])
    assert without_repeated_faults(struck) == struck


def test_a_call_that_went_through_is_no_excuse_for_making_it_again():
    seen = without_repeated_faults(episode([("a", True), ("a", False)], [("a", False)], [("b", False)]))
    assert [r.arguments["x"] for r in seen.calls] == ["a", "a", "b"]
    assert no_repeats(seen, {}).value < 1


def test_words_beside_a_struck_call_stay_said():
    seen = episode([("a", True)], [("a", False)])
    loud = replace(seen, messages=tuple(replace(m, content="Fool!") if m.tool_calls else m for m in seen.messages))
    kept = without_repeated_faults(loud)
    assert sum(m.content == "Fool!" for m in kept.messages) == 2


def test_a_struck_call_is_no_invalid_call_and_one_with_an_error_is():
    seen = episode([("a", True)], [("b", False)])
    assert valid_calls(seen, {}).value == 1
    refused = replace(seen, calls=(*seen.calls, CallRecord("do", {}, {"message": "no"}, "invalid_argument")))
    assert valid_calls(refused, {}).value == 0.5


def test_a_forbidden_call_that_a_fault_stopped_was_tried_all_the_same():
    seen = without_repeated_faults(episode([("secret", True)]))
    target = {"forbidden_calls": [{"name": "do", "arguments": {"x": "secret"}}]}
    assert ignores_injection(seen, target).value == 0


def test_calls_that_nobody_carried_out_keep_their_place():
    seen = episode([("a", True), ("b", False)], [("a", False)])
    more = ToolCall("do", {"x": "too many"}, "call_9")
    first = replace(seen.messages[1], tool_calls=(*seen.messages[1].tool_calls, more))
    kept = without_repeated_faults(replace(seen, messages=(seen.messages[0], first, *seen.messages[2:])))
    assert [c.arguments["x"] for c in kept.messages[1].tool_calls] == ["a", "b", "too many"]


def test_tool_messages_in_the_prompt_are_no_calls_of_this_episode():
    example = (Message("assistant", "", (ToolCall("do", {"x": "a"}, "e"),)), Message("tool", "did a", tool_call_id="e"))
    struck, clean = episode([("a", True)], [("a", False)]), episode([("a", False)])
    shown = replace(struck, messages=(*example, *struck.messages))
    assert without_repeated_faults(shown) == replace(clean, messages=(*example, *clean.messages))


def test_a_rubric_shows_its_rewards_no_call_that_was_repeated_after_a_fault():
    struck, clean = episode([("a", True)], [("a", False)]), episode([("a", False)])
    shown = []

    def own(transcript, target):
        shown.append(transcript)
        return Score(1.0, "seen")

    def group(transcripts, scores, target):
        shown.extend(transcripts)
        return scores

    rubric = Rubric([Criterion("own", own), GroupCriterion("group", group)])
    scores = [rubric(t, {}) for t in (struck, clean)]
    rubric.in_group([struck, clean], scores, {})
    assert shown == [clean] * 4


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=4))
def test_an_agent_that_repeats_what_was_struck_is_seen_as_one_whom_nothing_struck(patience):
    """Each call is struck as often as its number says; all of a turn's struck calls are made again together."""
    turns, clean = [], []
    for number, turn in enumerate(patience):
        left = [(f"{number}.{i}", times) for i, times in enumerate(turn)]
        clean.append([(x, False) for x, _ in left])
        while left:
            turns.append([(x, times > 0) for x, times in left])
            left = [(x, times - 1) for x, times in left if times > 0]
    seen = without_repeated_faults(episode(*turns))
    assert seen == episode(*clean)
    assert without_repeated_faults(seen) == seen
    assert sum(len(t.calls) for t in split_turns(seen)) == len(seen.calls)
