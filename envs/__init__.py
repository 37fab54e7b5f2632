"""postgym's environments: importing this registers them, so `gymnasium.make("postgym/Weather-v0")` works."""

from envs.base import Exploit, Policy, Task, TextEnv
from envs.registry import known_ids, make, register_envs

__all__ = ["Exploit", "Policy", "Task", "TextEnv", "known_ids", "make", "register_envs"]

register_envs()
