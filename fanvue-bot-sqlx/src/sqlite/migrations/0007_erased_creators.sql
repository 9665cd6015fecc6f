-- Creators who were erased: neither they nor their conversations are added again.
CREATE TABLE erased_creators (
    creator_id BLOB NOT NULL PRIMARY KEY CHECK (length(creator_id) = 16)
) STRICT, WITHOUT ROWID;
