"""Weather over an endpoint: a local server with Open-Meteo's routes and JSON layout stands for it."""

import json
import pickle
import random
import socket

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

import envs
from envs.base import Task
from envs.open_meteo import CITIES, OpenMeteo
from envs.proof import play, prove
from envs.transport.faults import Faults
from envs.transport.retrying import retrying
from envs.weather_questions import solve
from rewards.errors import ConfigError, EnvError, TaskError
from rewards.transcript import Message, ToolCall
from tests.serving import served

COUNTRIES = ("United Kingdom", "Canada", "United States", "Spain", "New Zealand")


class FakeOpenMeteo:
    """Knows every third of our cities, some in several countries; `fault` is a response to give instead."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.warming = 0.0
        self.fault: Response | None = None
        self.url = ""

    def results(self, name: str) -> list[dict]:
        """Places whose name begins with it, as the fuzzy search gives them, the namesake towns among them."""
        known = [*CITIES[::3], "London", "London Bridge"]
        found = []
        for city in known:
            if not city.casefold().startswith(name.casefold()) or len(name) < 2:
                continue
            rng = random.Random(city)
            for country in rng.sample(COUNTRIES, rng.choice([1, 1, 3])):
                for _ in range(2):  # two towns of one name in one country
                    found.append(
                        {
                            "id": rng.randrange(10**7),
                            "name": city,
                            "latitude": round(rng.uniform(-60, 60), 5),
                            "longitude": round(rng.uniform(-179, 179), 5),
                            "elevation": 74.0,
                            "feature_code": "PPL",
                            "country_code": country[:2].upper(),
                            "timezone": "Europe/London",
                            "population": rng.randrange(10**6),
                            "country": country,
                            "admin1": "Shire",
                        }
                    )
        return found

    def celsius(self, latitude: float, longitude: float, day: int) -> float:
        return round(random.Random(f"{latitude} {longitude} {day}").uniform(-15, 35) + self.warming, 1)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/search")
        def search(name: str, count: int = 10, language: str = "en", format: str = "json") -> Response:
            if self.fault is not None:
                return self.fault
            found = self.results(name)[:count]
            return JSONResponse({**({"results": found} if found else {}), "generationtime_ms": 0.7})

        @app.get("/v1/forecast")
        def forecast(
            latitude: float,
            longitude: float,
            current: str,
            daily: str,
            timezone: str,
            forecast_days: int = 7,
            temperature_unit: str = "celsius",
        ) -> Response:
            self.requests.append({"current": current, "daily": daily, "timezone": timezone})
            if self.fault is not None:
                return self.fault
            if not -90 <= latitude <= 90:
                reason = f"Latitude must be in range of -90 to 90°. Given: {latitude}."
                return JSONResponse({"error": True, "reason": reason}, 400)
            degrees = [self.celsius(latitude, longitude, day) for day in range(forecast_days + 1)]
            if temperature_unit == "fahrenheit":
                degrees = [round(d * 1.8 + 32, 1) for d in degrees]
            sign = "°F" if temperature_unit == "fahrenheit" else "°C"
            units = {"time": "iso8601", daily: sign}
            return JSONResponse(
                {
                    "latitude": round(latitude, 2),
                    "longitude": round(longitude, 2),
                    "generationtime_ms": 0.1,
                    "utc_offset_seconds": 0,
                    "timezone": "Europe/London",
                    "elevation": 38.0,
                    "current_units": {"time": "iso8601", "interval": "seconds", current: sign},
                    "current": {"time": "2026-05-04T12:15", "interval": 900, current: degrees[0]},
                    "daily_units": units,
                    "daily": {"time": [f"2026-05-{4 + d:02}" for d in range(forecast_days)], daily: degrees[1:]},
                }
            )

        return app


@pytest.fixture(scope="module")
def running():
    fake = FakeOpenMeteo()
    with served(fake.app()) as fake.url:
        yield fake


@pytest.fixture
def fake(running):
    yield running
    running.warming, running.fault = 0.0, None


def live(fake, **settings):
    return envs.make("postgym/Weather-v0", url=fake.url, **settings)


def tasks_of(env, n: int) -> list[Task]:
    return [env.sample_task(i, "test" if i % 2 else "train", i / (n - 1)) for i in range(n)]


def test_the_proof_holds_over_an_endpoint(fake):
    assert [row for row in prove(live(fake), n=24, n_null=6) if not row.ok] == []


def test_the_answer_is_what_the_endpoint_says(fake):
    env = live(fake, difficulty=0.0)
    for seed in range(8):
        task = env.sample_task(seed)
        (city,) = task.meta["cities"]
        call = task.meta["plan"][-1]
        day = call["arguments"].get("day", -1) + 1 if call["name"] == "forecast" else 0
        degrees = fake.celsius(city["lat"], city["lon"], day)
        assert float(task.target["answer"][0]["value"]) == degrees
        assert city["name"] in task.prompt[1].content
        assert city["name"] in CITIES


def test_fahrenheit_is_read_from_the_endpoint_and_not_worked_out(fake):
    endpoint = OpenMeteo(fake.url)
    for seed in range(60):
        question = endpoint.question(random.Random(seed), 0.3)
        if question.unit == "fahrenheit" and question.kind == "value":
            city, day = question.readings()[0]
            degrees = fake.celsius(city["lat"], city["lon"], day + (day > 0))
            assert float(solve(question)[0][0]) == round(degrees * 1.8 + 32, 1)
            return
    raise AssertionError("no question in fahrenheit")


def test_requests_are_those_that_open_meteo_documents(fake):
    fake.requests.clear()
    OpenMeteo(fake.url).question(random.Random(1), 0.3)
    assert {json.dumps(r, sort_keys=True) for r in fake.requests} == {
        json.dumps({"current": "temperature_2m", "daily": "temperature_2m_max", "timezone": "auto"}, sort_keys=True)
    }


def test_names_that_several_countries_share_are_told_apart(fake):
    env = live(fake, difficulty=0.8)
    seen = " ".join(env.sample_task(seed).prompt[1].content for seed in range(30))
    assert any(f" in {country}" in seen for country in COUNTRIES)
    endpoint = OpenMeteo(fake.url)
    for name in CITIES[::3]:
        places = endpoint.places(name)
        assert {p["name"] for p in places} == {name}
        assert len({p["country"] for p in places}) == len(places)


def test_wrong_calls_are_errors_that_say_what_to_mend(fake):
    env = live(fake, difficulty=0.0)
    env.reset(seed=0)
    calls = {
        "unknown_city": ("geocode", {"city": "Atlantis"}),
        "no_station": ("current", {"lat": 1000, "lon": 0}),
        "day_out_of_range": ("forecast", {"lat": 1, "lon": 2, "day": 9}),
        "unknown_unit": ("current", {"lat": 1, "lon": 2, "unit": "kelvin"}),
        "invalid_argument": ("current", {"lat": "1", "lon": 2}),
    }
    message = Message("assistant", "", tuple(ToolCall(*call, f"call_{i}") for i, call in enumerate(calls.values())))
    answers = [json.loads(m.content) for m in env.step(message)[0]]
    assert [a["error"] for a in answers] == list(calls)
    assert "-90 to 90" in answers[1]["message"]


def test_an_episode_that_meets_other_weather_is_not_judged(fake):
    env = live(fake)
    task = env.sample_task(0, difficulty=0.5)
    fake.warming = 2.0
    with pytest.raises(TaskError, match="has changed"):
        play(env, task, env.expert(task))
    fake.warming = 0.0
    assert play(env, task, env.expert(task))[1].value == 1


def test_a_finished_episode_is_judged_without_the_endpoint(fake):
    env = live(fake)
    task = env.sample_task(3, difficulty=0.6)
    seen, score = play(env, task, env.expert(task))
    kept = Task.model_validate_json(task.model_dump_json())
    fake.fault = Response("down", 503)
    assert type(env).rubric(seen, kept.target) == score
    assert score.value == 1


def test_the_same_seed_is_the_same_task_while_the_weather_holds(fake):
    task = live(fake).sample_task(5, difficulty=0.9)
    assert live(fake).sample_task(5, difficulty=0.9) == task
    assert pickle.loads(pickle.dumps(live(fake))).sample_task(5, difficulty=0.9) == task


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (JSONResponse({"reason": "limit"}, 429, {"Retry-After": "7"}), {"error": "rate_limited", "retry_after": 7}),
        (Response("oops", 503), {"error": "server_error"}),
    ],
)
def test_a_busy_endpoint_is_a_fault_that_the_model_sees(fake, fault, shown):
    env = live(fake, difficulty=0.0)
    env.reset(seed=0)
    fake.fault = fault
    env.step(Message("assistant", "", (ToolCall("geocode", {"city": "London"}, "call_0"),)))
    (record,) = env.transcript.calls
    assert record.fault
    assert shown.items() <= json.loads(env.transcript.messages[-1].content).items()


@pytest.mark.parametrize(
    "fault", [Response("<html>"), JSONResponse([1]), JSONResponse({"results": 3}), JSONResponse({}, 403)]
)
def test_an_endpoint_that_answers_rubbish_is_the_environments_failure(fake, fault):
    env = live(fake, difficulty=0.0)
    env.reset(seed=0)
    fake.fault = fault
    with pytest.raises(EnvError, match="/v1/search"):
        env.step(Message("assistant", "", (ToolCall("geocode", {"city": "London"}, "call_0"),)))


def test_an_endpoint_that_can_not_be_reached_is_refused_at_the_start(fake):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConfigError, match="can't be reached"):
        envs.make("postgym/Weather-v0", url=url)
    with pytest.raises(ConfigError, match="without /v1"):
        envs.make("postgym/Weather-v0", url=f"{fake.url}/v1")
    with pytest.raises(ConfigError, match="can't be reached"):
        envs.make("postgym/Weather-v0", url=fake.url, geocoding_url=url)
    with pytest.raises(ConfigError, match="no Open-Meteo"):
        envs.make("postgym/Weather-v0", url="no address at all")


def test_an_endpoint_can_have_faults_in_front_of_it(fake):
    env = live(fake, transport="http", faults=Faults(rate=0.4, stall_seconds=0.01))
    for task in tasks_of(env, 5):
        assert play(env, task, retrying(env.expert(task)))[1].value == 1


def test_without_an_url_nobody_is_asked(fake, monkeypatch):
    monkeypatch.setattr("httpx.Client.__init__", lambda *a, **k: pytest.fail("a client was made"))
    env = envs.make("postgym/Weather-v0")
    task = env.sample_task(0)
    assert play(env, task, env.expert(task))[1].value == 1
