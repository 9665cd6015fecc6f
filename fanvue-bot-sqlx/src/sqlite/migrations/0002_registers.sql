-- Small values that the processes of the deployment share; set by whoever names the revision that is there.
CREATE TABLE registers (
    name TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
