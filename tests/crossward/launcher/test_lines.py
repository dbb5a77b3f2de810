"""The terminal shows what the ServerApp says; greetings, clients and tracebacks stay in the log."""

from crossward.launcher.lines import Screen

LOG = """\
Using SuperLink: local (127.0.0.1:37837)
\x1b[92mINFO \x1b[0m:      Starting logstream for run_id `137963`
\x1b[92mINFO \x1b[0m:      Starting Flower Simulation
\x1b[93mWARNING \x1b[0m:   Since flwr 1.32, default simulated SuperNodes changed from 10 to 2.
\x1b[92mINFO \x1b[0m:      \tflwr federation simulation-config @none/default <superlink> --num-supernodes <N>
Successfully installed toyapp to /tmp/x.
round 1: loss 2.5
/x/ray/_private/worker.py:2051: FutureWarning: Tip: In future versions of Ray, Ray will no longer override
  warnings.warn(
2026-11-20 19:26:07,867\tINFO worker.py:2014 -- Started a local Ray instance.
\x1b[36m(ClientAppActor pid=3755)\x1b[0m loading the base model
\x1b[92mINFO \x1b[0m:      round 2: loss 2.25
\x1b[92mINFO \x1b[0m:      \n\
  indented   round 3
\x1b[93mWARNING \x1b[0m:   node 7 is late
\x1b[91mERROR \x1b[0m:     Simulation raised an exception
Traceback (most recent call last):
  File "server.py", line 11, in main

    raise ValueError("on purpose")
ValueError: on purpose

The above exception was the direct cause of the following exception:
\x1b[91mERROR \x1b[0m:     An exception was raised when processing a message by RayBackend
\x1b[91mERROR \x1b[0m:     \x1b[36mray::ClientAppActor.run()\x1b[39m (pid=14725, ip=192.0.2.2)
  At least one of the input arguments for this task could not be computed:
ray.exceptions.RaySystemError: System error: no
traceback: Traceback (most recent call last):
ValueError: no
\x1b[91mERROR \x1b[0m:     Traceback (most recent call last):
  File "x.py", line 1, in y
ray.exceptions.RayTaskError(RaySystemError): no
ray.exceptions.OutOfMemoryError: no
\x1b[91mERROR \x1b[0m:     Exit Code: 700
after
"""


def test_only_what_people_want_is_shown() -> None:
    shown: list[str] = []
    screen = Screen(shown.append)
    for line in LOG.splitlines(keepends=True):
        screen.show(line)
    assert shown == [
        "round 1: loss 2.5",
        "round 2: loss 2.25",
        "  indented   round 3",
        "warning: node 7 is late",
        "error: An exception was raised when processing a message by RayBackend",
        "after",
    ]
