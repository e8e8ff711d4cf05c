"""`run`: let an agent work on incidents and record what it uses. This process does nothing else."""

import argparse
import signal
from itertools import islice

from runtime import home as homes
from runtime import model
from runtime.agent import Agent, Tally
from runtime.commands.screen import ProgressLine, show, show_json, tell
from runtime.engine.llama import LlamaEngine
from runtime.errors import HomeExistsError
from runtime.home import Home
from runtime.model import ModelCard
from runtime.recorder import Dimensions, Recorder, read_processor
from runtime.scenario import incidents
from runtime.spool import Role, Spool


def run(arguments: argparse.Namespace) -> int:
    """Work on the tasks and show what they came to; 1 when stopped before the last."""
    home = _open_home(arguments)
    with Spool(path=home.spool_path, device=home.device, epoch=home.epoch, role=Role.WRITE) as spool:
        card = model.describe(model.resolve(arguments.model))
        recorder = Recorder(dimensions=_describe(arguments, home, card))
        with LlamaEngine(path=card.path) as engine:
            agent = Agent(engine=engine, recorder=recorder, journal=spool)
            tally = _work(agent, arguments)
        unsent = spool.status().unsent
    _report(tally, home, card, unsent, as_json=arguments.json)
    if tally.tasks < arguments.tasks:
        tell(f"stopped after {tally.tasks} of {arguments.tasks} tasks; everything done is recorded")
        return 1
    return 0


def _open_home(arguments: argparse.Namespace) -> Home:
    """Return the home, made on the spot for a newcomer who has none."""
    if (arguments.home / homes.DEVICE_FILE).exists():
        home = homes.load(path=arguments.home)
        if arguments.device not in (None, home.device):
            raise HomeExistsError(f"{arguments.home} is the home of {home.device}, not of {arguments.device}")
        return home
    home = homes.create(path=arguments.home, device=arguments.device or homes.draw_device_key())
    tell(f"initialised {home.path} as device {home.device}")
    return home


def _describe(arguments: argparse.Namespace, home: Home, card: ModelCard) -> Dimensions:
    return Dimensions(
        agent=arguments.agent,
        device=home.device,
        processor=read_processor(),
        model=card.digest,
        model_name=card.name,
        architecture=card.architecture,
        quantization=card.quantization,
        environment=arguments.environment,
        byoc=arguments.byoc,
    )


def _work(agent: Agent, arguments: argparse.Namespace) -> Tally:
    """Work through the tasks; an interrupt or a termination ends the task under way as canceled, and the run."""
    tally = Tally()
    line = ProgressLine(what="tasks", total=arguments.tasks)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda _number, _frame: agent.stop())
    try:
        for incident in islice(incidents(seed=arguments.seed), arguments.tasks):
            tally.add(agent.work(incident))
            if agent.is_stopping:
                break
            line.advance(to=tally.tasks, note=f"{tally.decisions} decisions, {tally.milliseconds} CPU ms")
    finally:
        line.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return tally


def _report(tally: Tally, home: Home, card: ModelCard, unsent: int, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "device": home.device,
                "model": card.name,
                "quantization": card.quantization,
                "tasks": tally.tasks,
                "states": tally.states,
                "turns": tally.turns,
                "decisions": tally.decisions,
                "unusable": tally.unusable,
                "overruled": tally.overruled,
                "tokens": tally.tokens,
                "cpu_milliseconds": tally.milliseconds,
                "unsent": unsent,
            }
        )
        return
    states = ", ".join(f"{count} {state}" for state, count in sorted(tally.states.items()))
    show(f"device     {home.device}")
    show(f"model      {card.name} {card.quantization} ({card.architecture}, {card.parameters:,} parameters)")
    show(f"tasks      {tally.tasks}{f' ({states})' if states else ''}")
    show(f"turns      {tally.turns}")
    show(f"decisions  {tally.decisions} ({tally.unusable} unusable, {tally.overruled} overruled by the guard)")
    show(f"tokens     {tally.tokens}")
    show(f"compute    {tally.milliseconds} CPU ms")
    show(f"unsent     {unsent} events in the spool")
