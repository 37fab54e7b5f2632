"""An MCP server over stdio, written with the SDK: a pantry whose stock is the command's argument."""

import json
import os
import sys
import time
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

server = MCPServer("pantry")
stock: dict[str, int] = {}


@server.tool()
def count(item: str, shelf: Annotated[int, Field(ge=1)] = 1) -> dict:
    """How many of an item there are."""
    if item not in stock:
        raise ToolError(f"no {item} here")
    return {"item": item, "count": stock[item]}


@server.tool()
def items() -> list[str]:
    """What there is."""
    return sorted(stock)


@server.tool()
def take(item: str) -> str:
    """Takes one."""
    stock[item] -= 1
    return f"{stock[item]} left"


@server.tool()
def pid() -> int:
    """The server's process."""
    return os.getpid()


@server.tool()
def wait(seconds: float) -> str:
    """Waits."""
    time.sleep(seconds)
    return "done"


@server.tool()
def die() -> str:
    """Ends the server."""
    print("the shelf broke", file=sys.stderr, flush=True)
    os._exit(3)


if __name__ == "__main__":
    stock.update(json.loads(sys.argv[1]))
    server.run("stdio")
