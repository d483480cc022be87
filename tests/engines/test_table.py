"""The table that `make engines` prints: a line a case, a column an engine on a database, and what was missing."""

from pathlib import Path

from tools.engines import results_of, table

REPORT = """<testsuites><testsuite>
<testcase classname="tests.engines.test_contract.TestWork" name="test_it_ends_once[arq over PostgreSQL]"/>
<testcase classname="tests.engines.test_contract.TestWork" name="test_it_ends_once[pool over SQLite]">
  <failure/></testcase>
<testcase classname="tests.engines.test_contract.TestBroker" name="test_the_broker[is killed-arq over PostgreSQL]"/>
<testcase classname="tests.engines.test_contract.TestBroker" name="test_the_broker[is killed-rq over PostgreSQL]">
  <skipped message="Skipped: this needs redis-server"/></testcase>
<testcase classname="tests.engines.test_programs" name="test_documents_are_tested[postgresql-celery on RabbitMQ]"/>
<testcase classname="tests.engines.test_programs" name="test_a_batch_moves[postgresql]"><error/></testcase>
</testsuite></testsuites>"""

COLUMNS = (
    "arq over PostgreSQL",
    "celery on RabbitMQ over PostgreSQL",
    "one after the other over PostgreSQL",
    "pool over SQLite",
    "rq over PostgreSQL",
)


def test_shows_what_became_of_each_case_and_names_what_was_missing(tmp_path: Path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    lines = table(results_of(report)).splitlines()
    assert lines == [
        f"| case | {' | '.join(COLUMNS)} |",
        "| --- | --- | --- | --- | --- | --- |",
        "| Work: it ends once | holds |  |  | FAILS |  |",
        "| Broker: the broker is killed | holds |  |  |  | not run |",
        "| Documents: documents are tested |  | holds |  |  |  |",
        "| Documents: a batch moves |  |  | FAILS |  |  |",
        "",
        "not run: Skipped: this needs redis-server",
    ]
