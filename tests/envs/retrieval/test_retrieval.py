"""Search and MissingInfo: the documents alone lead to every answer, and hold what they should and no more."""

import re

import pytest

import envs
from envs.proof import play
from envs.retrieval.world import LEAVES, WORLDS, corpus_of
from rewards.transcript import Message, ToolCall


def test_a_world_has_over_a_thousand_documents_and_differs_from_the_next():
    titles = [{title for title, _ in corpus_of(i).texts.values()} for i in (0, 1)]
    assert all(len(corpus_of(i).texts) == 1_150 for i in (0, 1))
    assert len(titles[0] & titles[1]) < 0.2 * len(titles[0])
    names = [e.name for e in corpus_of(0).entities]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("number", [0, WORLDS - 1])
def test_documents_say_every_fact_but_the_omitted_one(number):
    corpus = corpus_of(number)
    for entity in corpus.entities:
        text = corpus.texts[entity.documents[0]][1]
        for leaf, value in entity.facts.items():
            said = re.search(rf"\b{re.escape(value)}\b", text) is not None
            assert said == (leaf != entity.omitted), (entity, text)
        for link, to in entity.links.items():
            assert corpus.entities[to].name in text, (link, text)
        assert text.startswith(entity.name) or entity.name in text.partition(".")[0]


@pytest.mark.parametrize("number", [0, WORLDS - 1])
def test_a_second_document_contradicts_the_first_in_one_fact(number):
    corpus = corpus_of(number)
    doubled = [e for e in corpus.entities if len(e.documents) == 2]
    assert len(doubled) == 50
    for entity in doubled:
        leaf, other = entity.contradicted
        first, second = (corpus.texts[d][1] for d in entity.documents)
        assert entity.facts[leaf] in first
        assert other in second
        assert other != entity.facts[leaf]


def test_a_name_finds_all_documents_about_it():
    corpus = corpus_of(2)
    for entity in corpus.entities[::7]:
        assert set(entity.documents) <= set(corpus.search(entity.name, 10)), entity.name
    assert corpus.search("zzzz", 5) == corpus.search("", 5) == []
    assert corpus.search("river mayor", 10) == corpus.search("river mayor", 10)


def test_each_document_of_the_way_names_the_next_and_the_question_only_the_first():
    env = envs.make("postgym/Search-v0")
    hops = set()
    for seed in range(120):
        task = env.sample_task(seed, difficulty=seed / 119)
        corpus, names, facts = corpus_of(task.meta["world"]), task.meta["names"], task.target["facts"]
        question = task.prompt[-1].content
        hops.add(len(names))
        assert names[0] in question
        assert not any(name in question for name in names[1:])
        for name, fact, following in zip(names, facts, [*names[1:], None], strict=True):
            title, text = corpus.texts[fact["documents"][0]]
            assert title == name
            assert fact["value"] in text
            assert following is None or fact["value"] == following
        assert facts[-1]["value"] == task.target["answer"][0]["value"]
    assert hops == {1, 2, 3, 4}


def test_the_tools_list_open_and_refuse():
    env = envs.make("postgym/Search-v0")
    env.reset(seed=1)

    def call(name, **arguments):
        (message,), *_ = env.step(Message("assistant", "", (ToolCall(name, arguments, "c"),)))
        return message.content

    listed = call("search", query=env.task.meta["names"][0], count=3)
    assert listed.count('"id"') == 3
    assert env.task.meta["names"][0] in call("open", id=env.task.target["facts"][0]["documents"][0])
    assert "no_such_document" in call("open", id="d99999")
    assert "invalid_argument" in call("search", query="x", count=50)
    assert "invalid_argument" in call("search", query="x" * 301)


def test_part_of_the_way_earns_part_of_the_points():
    env = envs.make("postgym/Search-v0", difficulty=1.0)
    task = env.sample_task(1)
    right = env.expert(task)

    def forgetful(messages):
        said = right(messages)
        return said if isinstance(said, Message) else "\n".join(said.splitlines()[1:])

    score = play(env, task, forgetful)[1]
    assert 0.6 < score.value < 1


def test_every_missing_info_task_has_something_to_say_and_something_not():
    env = envs.make("postgym/MissingInfo-v0")
    places = set()
    for seed in range(80):
        task = env.sample_task(seed)
        answers = [f["value"] for f in task.target["answer"]]
        assert "unknown" in answers
        assert set(answers) != {"unknown"}
        assert len(answers) == task.prompt[-1].content.count("?")
        places.add(answers.index("unknown"))
    assert len(places) > 1


def test_both_sides_of_a_contradiction_are_wanted():
    env = envs.make("postgym/MissingInfo-v0", difficulty=0.0)
    task = next(t for i in range(50) if len((t := env.sample_task(i)).target["facts"]) == 3)
    right = env.expert(task)

    def one_sided(messages):
        said = right(messages)
        return said if isinstance(said, Message) else "\n".join(said.splitlines()[1:])

    assert play(env, task, right)[1].value == 1
    assert play(env, task, one_sided)[1].value < 0.9


def test_every_kind_of_question_has_words():
    assert all("{x}" in words for leaves in LEAVES.values() for words in leaves.values())
