CREATE TABLE spare_gadgets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- msctl:fields
    -- msctl:field string
    title TEXT NOT NULL,
    -- msctl:field text
    notes TEXT NOT NULL,
    -- msctl:field int
    stock INTEGER NOT NULL,
    -- msctl:field decimal
    price TEXT NOT NULL,
    -- msctl:field bool
    active INTEGER NOT NULL,
    -- msctl:field datetime
    released_at TEXT NOT NULL,
    -- msctl:end
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
