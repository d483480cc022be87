"""DBOS on PostgreSQL: a durable workflow for each task, from a queue."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions

from benchmarks.peers.tally import Mark, Ran
from benchmarks.protocol import speak

_POLL = 0.01  # seconds; the default of 1 would only make it wait
_QUEUE = "bench"
mark = Mark()


@DBOS.workflow(name="nothing")
def nothing() -> None:
    """Do nothing, and count it."""
    mark()


class Dbos:
    """Answers the benchmark's questions."""

    def setup(self, url: str) -> str:
        self._url = url.replace("postgresql://", "postgresql+psycopg://")
        self._config: DBOSConfig = {
            "name": "bench",
            "system_database_url": self._url,
            "application_version": "1",
            "run_admin_server": False,
            "log_level": "WARNING",
            "sys_db_pool_size": 20,
        }
        self._launch(1)
        DBOS.destroy()
        return f"threads, pool of 20, polling_interval_sec {_POLL}"

    def _launch(self, in_flight: int) -> None:
        DBOS(config=self._config)
        DBOS.launch()
        DBOS.register_queue(_QUEUE, worker_concurrency=in_flight, polling_interval_sec=_POLL)

    def prepare(self, count: int) -> None:
        client = DBOSClient(system_database_url=self._url)
        wanted: EnqueueOptions = {"queue_name": _QUEUE, "workflow_name": "nothing", "app_version": "1"}
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: client.enqueue(wanted), range(count)))
        client.destroy()

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        ran = Ran()
        self._launch(in_flight)
        found = ran.wait(count, seconds)
        DBOS.destroy(workflow_completion_timeout_sec=5)
        return found


if __name__ == "__main__":
    speak(Dbos())
