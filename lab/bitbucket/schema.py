"""The shared database's tables, and views under the names that Bitbucket's own tables have.

Who restores a backup asks the database in plain SQL what should be there; the views answer ``SELECT count(*) FROM
repository`` as a real Bitbucket's database does. Only columns that the lab fills are there.
"""

from __future__ import annotations

_TABLES = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL, email TEXT NOT NULL,
    salt BLOB NOT NULL, password BLOB NOT NULL, sysadmin INTEGER NOT NULL DEFAULT 0,
    failed_logins INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS tokens (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id), name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS ssh_keys (
    id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id), key TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS projects (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL DEFAULT '',
    public INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS repositories (
    id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL REFERENCES projects(id), slug TEXT NOT NULL,
    name TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', created REAL NOT NULL,
    state INTEGER NOT NULL DEFAULT 0, UNIQUE (project_id, slug));
CREATE TABLE IF NOT EXISTS activity (
    id INTEGER PRIMARY KEY, repository_id INTEGER NOT NULL REFERENCES repositories(id), user TEXT NOT NULL,
    ref TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL, at REAL NOT NULL, node TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS activity_of_repository ON activity (repository_id, id);
CREATE TABLE IF NOT EXISTS sta_pull_request (
    id INTEGER PRIMARY KEY, scoped_id INTEGER NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL DEFAULT '',
    pr_state INTEGER NOT NULL DEFAULT 0, created_timestamp REAL NOT NULL,
    from_repository_id INTEGER NOT NULL REFERENCES repositories(id), from_branch_fqn TEXT NOT NULL,
    from_hash TEXT NOT NULL, to_repository_id INTEGER NOT NULL REFERENCES repositories(id),
    to_branch_fqn TEXT NOT NULL, to_hash TEXT NOT NULL, UNIQUE (to_repository_id, scoped_id));
CREATE TABLE IF NOT EXISTS app_property (prop_key TEXT PRIMARY KEY, prop_value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS webhook (
    id INTEGER PRIMARY KEY, scope_type TEXT NOT NULL, scope_id INTEGER NOT NULL, name TEXT NOT NULL,
    url TEXT NOT NULL, events TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1);
"""
_VIEWS = """
CREATE VIEW IF NOT EXISTS project AS
    SELECT id, key AS project_key, name, description, 0 AS project_type, public AS is_public FROM projects;
CREATE VIEW IF NOT EXISTS repository AS
    SELECT id, slug, name, description, project_id, state, 'git' AS scm_id, id AS hierarchy_id, created
    FROM repositories;
CREATE VIEW IF NOT EXISTS cwd_user AS
    SELECT id, name AS user_name, name AS lower_user_name, 'T' AS is_active, display_name, email AS email_address
    FROM users;
CREATE VIEW IF NOT EXISTS sta_normal_user AS SELECT id AS user_id, name, name AS slug FROM users;
CREATE VIEW IF NOT EXISTS sta_global_permission AS SELECT id, 7 AS perm_id, id AS user_id FROM users WHERE sysadmin;
CREATE VIEW IF NOT EXISTS sta_activity AS
    SELECT a.id, 1 AS activity_type, a.at AS created_timestamp, u.id AS user_id
    FROM activity a LEFT JOIN users u ON u.name = a.user;
CREATE VIEW IF NOT EXISTS sta_repo_activity AS SELECT id AS activity_id, repository_id FROM activity;
CREATE VIEW IF NOT EXISTS sta_repo_push_ref AS
    SELECT id AS activity_id, ref AS ref_id, old AS from_hash, new AS to_hash FROM activity;
"""
SCHEMA = _TABLES + _VIEWS
"""All of it, as one script that leaves alone what is there."""
AVAILABLE, OFFLINE = 0, 3
"""Values of ``repository.state``: as it should be; without its directory."""
