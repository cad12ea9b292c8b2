"""The next version: a copy of this tree with two more migrations, and code that uses what they add.

Every table gets a column, as any release might do to one of them. Jobs that the next version receives have a source and
log events that this version does not know.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import photochanger
from photochanger.adapters.postgres.migrate import HEAD

NEXT = f"{int(HEAD) + 1:04}"
"""The revision with columns, a table, a function and a trigger."""

INDEXED = f"{int(HEAD) + 2:04}"
"""The revision with an index, the last one of the next version."""

SOURCE = "kiosk"
EVENT = "announced"

_EXPAND = f'''
"""Expand: a column of every table, a further table, another body of a function, a function for jobs of a new source."""

from alembic import op

revision = "{NEXT}"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade():
    connection = op.get_bind()
    tables = connection.exec_driver_sql(
        "select relname from pg_class where relnamespace = 'photochanger'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition and relname <> 'alembic_version' order by relname"
    ).scalars()
    for table in tables:
        op.execute(f"alter table photochanger.{{table}} add column mood text not null default 'calm'")
    op.execute("create table photochanger.moods (job_id uuid primary key, mood text not null)")
    function = "'photochanger.store_jobs(jsonb)'::regprocedure"
    body = connection.exec_driver_sql(f"select pg_get_functiondef({{function}})").scalar_one()
    connection.exec_driver_sql(body.replace("begin", "begin perform 1;", 1))
    connection.exec_driver_sql("""
        create function photochanger.announce() returns trigger language plpgsql as $$
        begin
            insert into photochanger.moods (job_id, mood) values (new.id, new.mood);
            insert into photochanger.processing_logs (job_id, at, event) values (new.id, new.created_at, '{EVENT}');
            return null;
        end
        $$
    """)
    connection.exec_driver_sql(
        "create trigger announced after insert on photochanger.jobs for each row when (new.source = '{SOURCE}')"
        " execute function photochanger.announce()"
    )
'''

_INDEX = f'''
"""An index of the jobs' moods."""

from photochanger.adapters.postgres.migrations.indexes import create_index

revision = "{INDEXED}"
down_revision = "{NEXT}"
branch_labels = None
depends_on = None
{{attributes}}

def upgrade():
    create_index("jobs_mood", "jobs (mood)")
'''

_USE = f"""

_of_this_version = enqueue_item


def enqueue_item(*arguments: Any) -> dict[str, Any]:
    return _of_this_version(*arguments) | {{"source": "{SOURCE}"}}
"""


def make_next_version(folder: Path, *, attributes: str = "") -> Path:
    """The folder that PYTHONPATH must begin with for the next version; `attributes` are those of its last migration."""
    package = folder / "photochanger"
    half_written = shutil.ignore_patterns("*.pyc.*")  # by another process, which renames it when it is whole
    shutil.copytree(Path(photochanger.__file__).parent, package, ignore=half_written)
    postgres = package / "adapters/postgres"
    (postgres / f"migrations/versions/{NEXT}_moods.py").write_text(_EXPAND)
    (postgres / f"migrations/versions/{INDEXED}_mood_index.py").write_text(_INDEX.format(attributes=attributes))
    migrate = postgres / "migrate.py"
    code, changed = re.subn(rf'"{HEAD}"(,?\s*\))', rf'"{HEAD}", "{NEXT}", "{INDEXED}"\1', migrate.read_text())
    assert changed == 1
    migrate.write_text(code)
    rows = postgres / "jobs/rows.py"
    rows.write_text(rows.read_text() + _USE)
    return folder
