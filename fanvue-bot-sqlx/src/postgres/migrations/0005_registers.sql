-- Small values that the processes of the deployment share; set by whoever names the revision that is there.
CREATE TABLE fanvue_bot.registers (
    name text COLLATE "C" PRIMARY KEY,
    revision bigint NOT NULL,
    value text NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION fanvue_bot.register(p_name text) RETURNS TABLE (revision bigint, value text)
LANGUAGE sql STABLE
AS $$ SELECT r.revision, r.value FROM fanvue_bot.registers AS r WHERE r.name = p_name $$;

-- The new revision, or null if the stored one is not `p_expected`, where null means that there must be none.
CREATE FUNCTION fanvue_bot.set_register(p_name text, p_value text, p_expected bigint) RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_expected IS NULL THEN
        INSERT INTO fanvue_bot.registers (name, revision, value) VALUES (p_name, 1, p_value)
        ON CONFLICT DO NOTHING;
    ELSE
        UPDATE fanvue_bot.registers AS r SET revision = r.revision + 1, value = p_value
        WHERE r.name = p_name AND r.revision = p_expected;
    END IF;
    RETURN CASE WHEN FOUND THEN coalesce(p_expected, 0) + 1 END;
END
$$;

-- The ids of all creators: for what a deployment does for each in turn. The policy shows the rows; nothing but
-- this function asks for them, and it hands out ids alone.
CREATE POLICY crossing_creators ON fanvue_bot.creators FOR SELECT
    USING ((SELECT current_setting('app.crossing', true)) = 'creators');

CREATE FUNCTION fanvue_bot.creators_after(p_after uuid, p_limit bigint) RETURNS TABLE (creator_id uuid)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.crossing', 'creators', true);
    RETURN QUERY
    SELECT c.creator_id FROM fanvue_bot.creators AS c
    WHERE p_after IS NULL OR c.creator_id > p_after
    ORDER BY c.creator_id LIMIT p_limit;
END
$$;
