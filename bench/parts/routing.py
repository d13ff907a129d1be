"""What does the local router cost before one inference server? `PYTHONPATH=src python -m bench --only routing`.

1, 8 and 32 clients that keep their connections, straight to the server, through the router, and through HAProxy and
nginx where this machine has them. The router authenticates, draws a deployment and counts; the other two only pass on.
All three reach the server by its Unix socket, as in the workspace. All share the machine with the server and the
clients: what a front costs in processor time is taken from them.
"""

from __future__ import annotations

import contextlib
import getpass
import operator
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, added, at_least, unaimed
from bench.parts.servers import inference_server
from bench.tools import stage
from bench.tools.contest import driven
from bench.tools.load import Address, Load
from bench.tools.processes import free_port, running
from bench.tools.timing import middle

KEY = "a-key-of-the-bench"
CLIENTS = (1, 8, 32)
# Those that only pass on have no aim, and come along in one round of so many.
SELDOM = 3
# By the number of clients: a round is cut into so many turns of so many seconds each. This machine's neighbours take or
# give a tenth from one second to the next; long turns see one of them each, short ones all of them. Two turns of one
# client differ by half a millisecond, and the aim is less, so there are many; 32 clients take a while to queue up.
TURNS = {1: (42, 0.05), 8: (3, 0.35), 32: (3, 0.35)}

HAPROXY = """
defaults
  mode http
  option http-keep-alive
  timeout connect 5s
  timeout client 30s
  timeout server 30s
global
  nbthread 1
frontend front
  bind 127.0.0.1:{port}
  default_backend back
backend back
  server one unix@{upstream}
"""
NGINX = """
user {user};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://unix:{upstream}:; proxy_http_version 1.1; }}
  }}
}}
"""


def found(name: str) -> str | None:
    """Return where a program is, in the places of administrators too."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def router(folder: Path, upstream: Path, request: bytes) -> Iterator[Address]:
    """Run the local workspace's router."""
    port = free_port()
    command = [sys.executable, "-m", "bench.tools.front", str(port), str(upstream), KEY]
    variables = stage.environment(PYTHONPATH=f"{stage.ROOT / 'src'}:{stage.ROOT}")
    with running(command, variables, stage.ROOT, folder / "router.log", port, request) as (address, _):
        yield address


@contextlib.contextmanager
def peer(name: str, folder: Path, upstream: Path, request: bytes) -> Iterator[Address]:
    """Run HAProxy or nginx with one thread, as the router has."""
    port = free_port()
    written = (HAPROXY if name == "haproxy" else NGINX).format(
        port=port, upstream=upstream, folder=folder, user=getpass.getuser()
    )
    config = folder / f"{name}.conf"
    config.write_text(written)
    command = [str(found(name)), "-f" if name == "haproxy" else "-c", str(config)]
    if name == "nginx":
        command[1:1] = ["-e", "stderr", "-p", str(folder)]
    with running(command, stage.environment(), folder, folder / f"{name}.log", port, request) as (address, _):
        yield address


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure throughput, and the latency that one client sees."""
    rounds = 2 if quick else 9
    body = stage.bodies(1)["table"]
    request = stage.post("/score", body)
    requests = {"direct": request, "router": stage.post("/e/score", body, Authorization=f"Bearer {KEY}")}
    with contextlib.ExitStack() as stack:
        model = stage.trained(folder, quick)
        socket = folder / "server.sock"
        direct, _ = stack.enter_context(inference_server(stage.SCORE / "score.py", model, folder, socket))
        fronts = {"direct": direct, "router": stack.enter_context(router(folder, socket, requests["router"]))}
        for name in ("haproxy", "nginx"):
            if found(name):
                fronts[name] = stack.enter_context(peer(name, folder, socket, request))
                requests[name] = request
            else:
                print(f"{name} is not on this machine and was not measured")
        asked = {name: (address, requests[name]) for name, address in fronts.items()}
        aimed = {name: asked[name] for name in ("direct", "router")}
        others = [name for name in asked if name != "router"]
        pairs: dict[tuple[str, int], list[tuple[Load, Load]]] = {(name, of): [] for name in others for of in CLIENTS}
        for number in range(rounds):
            for clients in CLIENTS:
                turns, seconds = TURNS[clients]
                for turn in range(turns):
                    loads = driven(aimed if number % SELDOM else asked, clients, seconds, number + turn)
                    router_load = loads.pop("router")
                    for name, load in loads.items():
                        pairs[name, clients].append((router_load, load))

    figures, waits = [], []
    for name in others:
        beside = "none" if name == "direct" else name
        for clients in CLIENTS:
            ours, theirs = zip(*pairs[name, clients], strict=True)
            both = middle([load.rate for load in ours], [load.rate for load in theirs])
            of = f"router, requests/s, {clients} client{'s' * (clients > 1)}: beside {beside}"
            if name != "direct":
                figures.append(unaimed(of, *both, "it only passes on"))
            elif clients == 1:
                # One client waits for its own answer: what that costs is the latency's aim below.
                figures.append(unaimed(of, *both, "see its latency"))
            else:
                figures.append(at_least(of, *both, 0.9))
            if clients == 1:
                both = middle([load.middle for load in ours], [load.middle for load in theirs], operator.sub)
                of = f"router, median ms, 1 client: beside {beside}"
                waits.append(
                    added(of, *both, 0.3, "ms") if name == "direct" else unaimed(of, *both, "it only passes on")
                )
    return figures + waits
