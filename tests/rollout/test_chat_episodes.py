"""Over any episode of any model family: what is sampled is what is trained, and nothing else."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.base import Task
from rewards.transcript import Message
from rollout.chat import ChatRenderer
from rollout.engine import Sampling
from rollout.episode import run_episode
from tests.rollout.families import FAMILIES, renderer_of, tokenizer_of
from tests.rollout.replayed import LIMITS, LOOK, Replay, World, play

NAMES = sorted(FAMILIES)
MARK = "Zq\u00df"  # what the world says holds it, what is sampled doesn't


def texts(name):
    family = FAMILIES[name]
    spelled = [family.eos, *family.special, *family.plain, "</tool_call>", "\ue000", "\ue0000\ue001", "\n", " "]
    return st.lists(st.sampled_from(spelled) | st.text('ab \u00e9\U0001f600"\\{', max_size=4), max_size=5).map(
        lambda parts: MARK + "".join(parts) + MARK
    )


def turns(name):
    renderer = renderer_of(name)
    vocabulary = sorted(set(renderer.tokenizer.get_vocab().values()) - renderer.end_ids)
    anything = st.lists(st.sampled_from(vocabulary), min_size=1, max_size=12)
    end = st.sampled_from([[], *([i] for i in sorted(renderer.end_ids))])
    calls = st.integers(1, 3).map(lambda n: Message("assistant", "", (LOOK,) * n))
    return st.lists(st.tuples(anything, end).map(lambda t: t[0] + t[1]) | calls | st.just("Hm."), max_size=4)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(st.data())
def test_what_is_sampled_is_what_is_trained_and_nothing_else(name, data):
    sampled = data.draw(turns(name))
    says = data.draw(st.lists(texts(name), min_size=1, max_size=5))
    played = play(name, sampled, says)
    t, asked, tokenizer = played.trajectory, played.asked, played.renderer.tokenizer
    assert t.score.value == 1, t.score.reason

    expected = np.zeros(len(t.token_ids), bool)
    for number, (prompt, ids) in enumerate(asked):
        end = len(prompt) + len(ids)
        assert t.token_ids[:end].tolist() == [*prompt, *ids], "sampled ids are the trained ones, the prefix stays"
        assert t.logprobs[len(prompt) : end].tolist() == [-0.5 - i for i in range(len(ids))]
        assert set(t.weight_versions[len(prompt) : end]) == {number + 1}
        expected[len(prompt) : end] = True
    assert np.array_equal(t.loss_mask, expected)
    assert t.token_ids.tolist() == [*asked[-1][0], *asked[-1][1]]

    assert MARK not in tokenizer.decode(t.token_ids[t.loss_mask])
    plain = play(name, sampled, ["x"] * len(says)).trajectory
    added = tokenizer.added_tokens_decoder
    frame, plain_frame = ([int(i) for i in p.token_ids if int(i) in added] for p in (t, plain))
    assert frame == plain_frame, "what others write adds no token of the frame"
    given_text = tokenizer.decode(t.token_ids[~t.loss_mask])
    assert says[0].strip() in given_text, "and is still there to be read"


@pytest.mark.parametrize("name", NAMES)
def test_no_sampled_text_is_tokenised_again(name):
    seen = []

    class Spy:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, text, **options):
            seen.append(text)
            return self.tokenizer(text, **options)

        def __getattr__(self, attribute):
            return getattr(self.tokenizer, attribute)

    renderer = ChatRenderer(Spy(tokenizer_of(name)))
    engine = Replay(renderer_of(name), ["Quince 1.", Message("assistant", "Quince 2.", (LOOK,)), "Quince 3."])
    task = Task(prompt=(Message("user", "Plum?"),), target={})
    env = World(["plum", "plum"])
    t = asyncio.run(run_episode(env, task, engine, renderer, Sampling(500), LIMITS))
    assert t.score.value == 1
    assert "Quince 3." in t.transcript.messages[-1].content
    assert any("plum" in text for text in seen)
    assert not any("Quince" in text for text in seen)
