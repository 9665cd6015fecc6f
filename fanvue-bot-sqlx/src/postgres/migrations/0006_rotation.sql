-- The change of the master key, while secrets are read and written. What crosses tenants tells whose secrets are
-- under which key, and nothing of their values; each is rewrapped as its owner.

-- Asked once for a statement, not for each row.
DROP POLICY crossing_rotation ON fanvue_bot.secrets;
CREATE POLICY crossing_rotation ON fanvue_bot.secrets FOR SELECT
    USING ((SELECT current_setting('app.crossing', true)) = 'rotation');

-- A page of the secrets that do not begin with `p_header`, which tells the format and the key, after a place; the
-- deployment's first.
CREATE FUNCTION fanvue_bot.secrets_under_other_keys(p_header bytea, p_creator uuid, p_kind text, p_limit bigint)
RETURNS TABLE (creator_id uuid, kind text, header bytea)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    -- Before everything, if there is no place.
    v_creator uuid := coalesce(p_creator, '00000000-0000-0000-0000-000000000000');
    v_kind text := CASE WHEN p_creator IS NULL THEN '' ELSE p_kind END;
    v_found bigint := 0;
BEGIN
    PERFORM set_config('app.crossing', 'rotation', true);
    IF p_creator IS NULL THEN
        RETURN QUERY
        SELECT s.creator_id, s.kind, substring(s.sealed FOR 10) FROM fanvue_bot.secrets AS s
        WHERE s.creator_id IS NULL AND s.kind > coalesce(p_kind, '') AND substring(s.sealed FOR 10) <> p_header
        ORDER BY s.kind LIMIT p_limit;
        GET DIAGNOSTICS v_found = ROW_COUNT;
    END IF;
    RETURN QUERY
    SELECT s.creator_id, s.kind, substring(s.sealed FOR 10) FROM fanvue_bot.secrets AS s
    WHERE s.creator_id IS NOT NULL AND (s.creator_id, s.kind) > (v_creator, v_kind)
        AND substring(s.sealed FOR 10) <> p_header
    ORDER BY s.creator_id, s.kind LIMIT p_limit - v_found;
END
$$;

CREATE FUNCTION fanvue_bot.count_secrets_under_other_keys(p_header bytea) RETURNS bigint
LANGUAGE plpgsql
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'rotation', true);
    RETURN (SELECT count(*) FROM fanvue_bot.secrets AS s WHERE substring(s.sealed FOR 10) <> p_header);
END
$$;

-- Puts the value of a revision under another key. The revision stays, since the value does: whoever read it before
-- can replace it after. False if the stored revision is another one.
CREATE FUNCTION fanvue_bot.rewrap_secret(p_creator uuid, p_kind text, p_sealed bytea, p_revision bigint)
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
BEGIN
    PERFORM fanvue_bot.reach_secrets(p_creator);
    UPDATE fanvue_bot.secrets AS s SET sealed = p_sealed
    WHERE (s.creator_id = p_creator OR (p_creator IS NULL AND s.creator_id IS NULL))
        AND s.kind = p_kind AND s.revision = p_revision;
    RETURN FOUND;
END
$$;
