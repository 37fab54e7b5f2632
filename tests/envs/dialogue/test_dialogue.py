"""Conversations: the simulated user says what it should, and each rule of conduct costs the task when broken."""

import pytest

import envs
from envs.dialogue.forms import FORMS, asked_for, draw, sent_right, words_of
from envs.dialogue.topic_tracking import _TOPICS
from envs.proof import play
from rewards.score import Status
from rewards.transcript import CallRecord, Message, Transcript


def said(env, task, *turns):
    """The user's answers to the assistant's turns."""
    env.reset(options={"task": task})
    heard = []
    for turn in turns:
        new, *_ = env.step(turn)
        heard += [m.content for m in new]
    return heard


def test_values_of_a_form_differ_and_its_words_name_one_slot_each():
    import random

    rng = random.Random(0)
    for form, slots in FORMS.items():
        for _ in range(50):
            values = draw(rng, form)
            assert len(set(values.values())) == len(values) == len(slots)
        words = [w for names in words_of(form).values() for w in names]
        assert len(set(words)) >= len(words) - len(slots), form  # a slot's own name may be among its words


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("Which day suits you?", ["day"]),
        ("How many guests, and at what time?", ["time", "guests"]),
        ("Please tell me the time.", ["time"]),
        ("The day is Monday.", []),
        ("<think>Which day?</think>What time?", ["time"]),
    ],
)
def test_what_a_question_asks_for_is_read(text, slots):
    assert asked_for("table", Message("assistant", text)) == slots


def test_one_form_counts_with_exactly_its_details():
    target = {"form": "taxi", "details_sent": {"pickup": "Arden", "destination": "Corvo", "time": "9:00", "bags": "2"}}

    def score(*forms):
        records = [CallRecord("send_form", {"form": f, "details": d}, "sent") for f, d in forms]
        return sent_right(Transcript((), tuple(records)), target).value

    right = target["details_sent"]
    assert score(("taxi", right)) == score(("taxi", {**right, "pickup": " arden"})) == 1
    assert score() == score(("taxi", right), ("taxi", right)) == score(("room", right)) == 0
    assert score(("taxi", {**right, "bags": "3"})) == 0
    assert sent_right(Transcript(()), {"form": "x"}).status is Status.TASK_ERROR


def test_clarify_tells_what_is_asked_for_once():
    env = envs.make("postgym/Clarify-v0", difficulty=0.0)
    task = next(t for i in range(50) if len((t := env.sample_task(i)).target["missing_slots"]) == 1)
    slot = task.target["missing_slots"][0]
    value = task.target["details_sent"][slot]
    other = next(s for s in task.target["slots"] if s != slot)
    heard = said(env, task, f"Which {slot}?", f"Which {slot}?", f"Which {other}?", "Hm.")
    assert heard[0] == f"The {slot}? {value}."
    assert len(set(heard[1:])) == 1
    assert value not in heard[1]


def test_clarify_has_requests_that_lack_nothing_and_up_to_three_things():
    env = envs.make("postgym/Clarify-v0")
    counts = [len(env.sample_task(i, difficulty=1.0).target["missing_slots"]) for i in range(200)]
    assert set(counts) == {0, 3}
    counts = [len(env.sample_task(i, difficulty=0.5).target["missing_slots"]) for i in range(200)]
    assert set(counts) == {0, 2}
    assert {len(env.sample_task(i, difficulty=0.0).target["missing_slots"]) for i in range(200)} == {0, 1}


def test_the_user_breaks_in_with_questions_that_have_the_stated_answers():
    env = envs.make("postgym/Interruption-v0")
    for seed in range(80):
        task = env.sample_task(seed)
        for aside in task.target["asides"]:
            words = aside["question"].rstrip("?").split()
            if words[0] == "what":
                right = str(int(words[2]) + int(words[4]))
            elif "backwards" in words:
                right = words[-2][::-1]
            elif "letters" in words:
                right = str(len(words[-1]))
            else:
                right = str(60 * int(words[4]) + int(words[7]))
            assert aside["answer"] == right
            assert right not in aside["wrong"]


def test_a_change_of_mind_is_told_and_wanted():
    env = envs.make("postgym/Interruption-v0", difficulty=1.0)
    task = next(t for i in range(60) if (t := env.sample_task(i)).meta["change"])
    change = task.meta["change"]
    seen, score = play(env, task, env.expert(task))
    assert any(f"make the {change['slot']} {change['value']} instead" in m.content for m in seen.messages)
    assert score.value == 1
    unmoved = task.model_copy(update={"target": {**task.target, "details_sent": task.meta["values"]}})
    assert play(env, task, env.expert(unmoved))[1].value == 0


def test_topics_are_asked_for_after_they_were_told_and_as_they_stand():
    env = envs.make("postgym/TopicTracking-v0")
    changed = 0
    for seed in range(80):
        task = env.sample_task(seed, difficulty=seed / 79)
        lines = [task.prompt[-1].content, *task.meta["said"]]
        assert 10 <= len(lines) <= 20
        facts = {}
        for turn, line in enumerate(lines):
            topic = next((t for t in _TOPICS if t in line), None)
            if "?" in line:
                assert task.target["answers"][str(turn)] == facts[topic][-1]
                changed += len(facts[topic]) > 1
            elif topic:
                value = next(v for v in _TOPICS[topic] if f"is {v}" in line and f"isn't {v}" not in line)
                facts.setdefault(topic, []).append(value)
        assert str(len(lines) - 1) in task.target["answers"]
    assert changed > 80


def test_an_answer_counts_in_any_case_and_no_other_does():
    env = envs.make("postgym/TopicTracking-v0", difficulty=0.0)
    task = env.sample_task(2)
    right = env.expert(task)
    assert play(env, task, lambda messages: right(messages).upper().replace("ANSWER", "Answer"))[1].value == 1
    assert play(env, task, lambda messages: right(messages) + " I think")[1].value == 0
