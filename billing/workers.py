"""Workers: processes beside the one that started them, each with a connection of its own."""


def work(run_id: int) -> None:
    """Do chunks of a close run until none is left that nobody is on; the target of a fresh process."""
    import django  # noqa: PLC0415 - this module is imported before Django is set up

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    try:
        call_command("close", run=run_id)
    finally:
        connections.close_all()
