"""How a store is kept in SQLite and PostgreSQL; the only package that knows SQLAlchemy."""
