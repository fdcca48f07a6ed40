CREATE TABLE spare_gadgets (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- msctl:fields
    -- msctl:field string
    title TEXT NOT NULL,
    -- msctl:field text
    notes TEXT NOT NULL,
    -- msctl:field int
    stock BIGINT NOT NULL,
    -- msctl:field decimal
    price NUMERIC NOT NULL,
    -- msctl:field bool
    active BOOLEAN NOT NULL,
    -- msctl:field datetime
    released_at TIMESTAMPTZ NOT NULL,
    -- msctl:end
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
