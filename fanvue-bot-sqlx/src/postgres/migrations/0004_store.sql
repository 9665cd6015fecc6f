-- The store's operations: one call is one statement, one round trip and one transaction.

-- Makes a change of a creator. The verdict is null, or "conflict" if the stored revision is not the expected one,
-- where none means that there must be none. An account that another creator has violates `creators_account`.
CREATE FUNCTION fanvue_bot.commit_creator(p_creator uuid, p_change json, OUT verdict text, OUT revision bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_expected bigint := (p_change ->> 'expected')::bigint;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF v_expected IS NULL THEN
        INSERT INTO fanvue_bot.creators (creator_id, account_id, revision, profile)
        VALUES (p_creator, (p_change ->> 'account')::uuid, 1, p_change ->> 'profile')
        ON CONFLICT (creator_id) DO NOTHING;
    ELSE
        UPDATE fanvue_bot.creators AS c SET account_id = (p_change ->> 'account')::uuid,
            revision = c.revision + 1, profile = p_change ->> 'profile'
        WHERE c.creator_id = p_creator AND c.revision = v_expected;
    END IF;
    IF FOUND THEN
        revision := coalesce(v_expected, 0) + 1;
    ELSE
        verdict := 'conflict';
    END IF;
END
$$;

-- Makes a change of a conversation. The verdict is null; "conflict" if the stored revision is not the expected one
-- or a new message exists; or "missing" if a message that must exist does not. Nothing is written then.
--
-- Everything of a conversation is written under the lock of its row, which is taken before anything is written.
CREATE FUNCTION fanvue_bot.commit_conversation(p_creator uuid, p_change json, OUT verdict text,
    OUT revision bigint, OUT missing uuid)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_fan uuid;
    v_expected bigint;
    v_wake_at bigint;
    v_state text;
    v_known json;
    v_messages json;
    v_contents json;
    v_decisions json;
    v_deletions json;
    v_stored bigint;
BEGIN
    -- Read once: each `->>` would read the whole text again.
    SELECT r.fan, r.expected, r.wake_at, r.state, r.known, r.messages, r.contents, r.decisions, r.deletions
    INTO v_fan, v_expected, v_wake_at, v_state, v_known, v_messages, v_contents, v_decisions, v_deletions
    FROM json_to_record(p_change)
        AS r (fan uuid, expected bigint, wake_at bigint, state text, known json, messages json, contents json,
            decisions json, deletions json);
    PERFORM set_config('app.creator', p_creator::text, true);
    IF v_contents IS NOT NULL OR v_decisions IS NOT NULL OR v_deletions IS NOT NULL THEN
        SELECT c.revision INTO v_stored FROM fanvue_bot.conversations AS c
        WHERE c.creator_id = p_creator AND c.fan_id = v_fan FOR UPDATE;
        IF v_stored IS DISTINCT FROM v_expected THEN
            verdict := 'conflict';
            RETURN;
        END IF;
        SELECT n.id INTO missing
        FROM (
            SELECT id FROM json_to_recordset(v_contents) AS r (id uuid)
            UNION ALL SELECT id FROM json_to_recordset(v_decisions) AS r (id uuid)
            UNION ALL SELECT id FROM json_to_recordset(v_deletions) AS r (id uuid)
        ) AS n
        WHERE (SELECT m.id FROM fanvue_bot.messages AS m
            WHERE m.creator_id = p_creator AND m.fan_id = v_fan AND m.id = n.id) IS NULL
        LIMIT 1;
        IF FOUND THEN
            verdict := 'missing';
            RETURN;
        END IF;
    END IF;

    IF v_expected IS NULL THEN
        -- A conversation that is new has no messages.
        INSERT INTO fanvue_bot.conversations (creator_id, fan_id, revision, wake_at, state)
        VALUES (p_creator, v_fan, 1, v_wake_at, v_state)
        ON CONFLICT (creator_id, fan_id) DO NOTHING;
    ELSE
        -- Whoever adds a message moves the revision on, so that both conditions hold when the lock is ours.
        UPDATE fanvue_bot.conversations AS c SET revision = c.revision + 1,
            wake_at = v_wake_at, state = v_state
        WHERE c.creator_id = p_creator AND c.fan_id = v_fan AND c.revision = v_expected
            AND (SELECT m.id FROM json_to_recordset(v_messages) AS n (id uuid)
                JOIN fanvue_bot.messages AS m
                    ON m.creator_id = p_creator AND m.fan_id = v_fan AND m.id = n.id
                LIMIT 1) IS NULL;
    END IF;
    IF NOT FOUND THEN
        verdict := 'conflict';
        RETURN;
    END IF;
    revision := coalesce(v_expected, 0) + 1;

    IF v_known IS NOT NULL THEN
        -- Most messages tell nothing new of their fan; such a row is not written again.
        INSERT INTO fanvue_bot.fans AS f (creator_id, fan_id, handle, display_name, nickname)
        VALUES (p_creator, v_fan, v_known ->> 'handle', v_known ->> 'display_name', v_known ->> 'nickname')
        ON CONFLICT (creator_id, fan_id) DO UPDATE SET
            handle = coalesce(excluded.handle, f.handle),
            display_name = coalesce(excluded.display_name, f.display_name),
            nickname = coalesce(excluded.nickname, f.nickname)
        WHERE (coalesce(excluded.handle, f.handle), coalesce(excluded.display_name, f.display_name),
                coalesce(excluded.nickname, f.nickname))
            IS DISTINCT FROM (f.handle, f.display_name, f.nickname);
    END IF;
    INSERT INTO fanvue_bot.messages (creator_id, fan_id, id, sent_at, stored_at, author, kind, text, media, has_media, price_cents, fetched, tokenizer, tokens,
        turn, outcome, decision, decided_at, deleted_at)
    SELECT p_creator, v_fan, n.id, n.sent_at, n.stored_at, n.author, n.kind, n.text, n.media, n.has_media, n.price_cents, n.fetched, n.tokenizer, n.tokens, n.turn, n.outcome, n.decision, n.decided_at, n.deleted_at
    FROM json_to_recordset(v_messages)
        AS n (id uuid, sent_at bigint, stored_at bigint, author text, kind text, text text, media text,
            has_media boolean, price_cents bigint, fetched boolean, tokenizer bigint, tokens bigint, turn bigint,
            outcome text, decision text, decided_at bigint, deleted_at bigint);
    IF v_contents IS NOT NULL THEN
        UPDATE fanvue_bot.messages AS m SET text = n.text, media = n.media, has_media = n.has_media,
            price_cents = n.price_cents, fetched = n.fetched, tokenizer = n.tokenizer, tokens = n.tokens
        FROM json_to_recordset(v_contents)
            AS n (id uuid, text text, media text, has_media boolean, price_cents bigint, fetched boolean,
                tokenizer bigint, tokens bigint)
        WHERE m.creator_id = p_creator AND m.fan_id = v_fan AND m.id = n.id AND m.deleted_at IS NULL;
    END IF;
    IF v_decisions IS NOT NULL THEN
        UPDATE fanvue_bot.messages AS m SET outcome = n.outcome, decision = n.decision,
            decided_at = n.decided_at
        FROM json_to_recordset(v_decisions) AS n (id uuid, outcome text, decision text, decided_at bigint)
        WHERE m.creator_id = p_creator AND m.fan_id = v_fan AND m.id = n.id;
    END IF;
    IF v_deletions IS NOT NULL THEN
        UPDATE fanvue_bot.messages AS m SET text = NULL, media = NULL, has_media = false, price_cents = NULL,
            fetched = true, tokenizer = NULL, tokens = NULL, deleted_at = least(m.deleted_at, n.deleted_at)
        FROM json_to_recordset(v_deletions) AS n (id uuid, deleted_at bigint)
        WHERE m.creator_id = p_creator AND m.fan_id = v_fan AND m.id = n.id;
    END IF;
END
$$;

-- Makes any number of changes and adds the jobs that follow from them or from nothing: those that are accepted
-- together, all or none. One row for each change, in their order, and one for the jobs, which is as `add_jobs` says.
-- A job names the change that it follows from by its place, from 1 on.
CREATE FUNCTION fanvue_bot.write(p_changes json, p_jobs json, p_now bigint, p_millis bigint)
RETURNS TABLE (verdict text, revision bigint, missing uuid, numbers bigint[], added bigint[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_creator uuid;
    v_conversation json;
    v_profile json;
    v_place integer := 0;
    v_refused integer[] := '{}';
BEGIN
    FOR v_creator, v_conversation, v_profile IN
        SELECT c.creator, c.conversation, c.profile
        FROM json_to_recordset(p_changes) AS c (creator uuid, conversation json, profile json)
    LOOP
        v_place := v_place + 1;
        missing := NULL;
        IF v_conversation IS NOT NULL THEN
            SELECT c.verdict, c.revision, c.missing INTO verdict, revision, missing
            FROM fanvue_bot.commit_conversation(v_creator, v_conversation) AS c;
        ELSE
            SELECT c.verdict, c.revision INTO verdict, revision
            FROM fanvue_bot.commit_creator(v_creator, v_profile) AS c;
        END IF;
        IF verdict IS NOT NULL THEN
            v_refused := v_refused || v_place;
        END IF;
        RETURN NEXT;
    END LOOP;
    IF p_jobs IS NOT NULL THEN
        verdict := NULL;
        revision := NULL;
        missing := NULL;
        SELECT a.numbers, a.added INTO numbers, added
        FROM fanvue_bot.add_jobs(p_jobs, v_refused, coalesce(p_now, fanvue_bot.server_now()), p_millis) AS a;
        RETURN NEXT;
    END IF;
END
$$;

CREATE FUNCTION fanvue_bot.creator(p_creator uuid)
RETURNS TABLE (creator_id uuid, account_id uuid, revision bigint, profile text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT c.creator_id, c.account_id, c.revision, c.profile FROM fanvue_bot.creators AS c
    WHERE c.creator_id = p_creator;
END
$$;

-- Crosses tenants: finds whose account it is.
CREATE FUNCTION fanvue_bot.creator_by_account(p_account uuid)
RETURNS TABLE (creator_id uuid, account_id uuid, revision bigint, profile text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.account', p_account::text, true);
    RETURN QUERY
    SELECT c.creator_id, c.account_id, c.revision, c.profile FROM fanvue_bot.creators AS c
    WHERE c.account_id = p_account;
END
$$;

CREATE FUNCTION fanvue_bot.conversation(p_creator uuid, p_fan uuid)
RETURNS TABLE (revision bigint, state text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT c.revision, c.state FROM fanvue_bot.conversations AS c
    WHERE c.creator_id = p_creator AND c.fan_id = p_fan;
END
$$;

CREATE FUNCTION fanvue_bot.fan(p_creator uuid, p_fan uuid)
RETURNS TABLE (handle text, display_name text, nickname text)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT f.handle, f.display_name, f.nickname FROM fanvue_bot.fans AS f
    WHERE f.creator_id = p_creator AND f.fan_id = p_fan;
END
$$;

CREATE FUNCTION fanvue_bot.message(p_creator uuid, p_fan uuid, p_id uuid) RETURNS SETOF fanvue_bot.messages
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT m.* FROM fanvue_bot.messages AS m
    WHERE m.creator_id = p_creator AND m.fan_id = p_fan AND m.id = p_id;
END
$$;

-- The messages of a conversation that come after a place, the last sent first; from the first if there is none.
CREATE FUNCTION fanvue_bot.messages_after(p_creator uuid, p_fan uuid, p_limit bigint, p_sent_at bigint, p_id uuid)
RETURNS SETOF fanvue_bot.messages
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF p_id IS NULL THEN
        RETURN QUERY
        SELECT m.* FROM fanvue_bot.messages AS m
        WHERE m.creator_id = p_creator AND m.fan_id = p_fan
        ORDER BY m.sent_at DESC, m.id DESC LIMIT p_limit;
    ELSE
        RETURN QUERY
        SELECT m.* FROM fanvue_bot.messages AS m
        WHERE m.creator_id = p_creator AND m.fan_id = p_fan AND (m.sent_at, m.id) < (p_sent_at, p_id)
        ORDER BY m.sent_at DESC, m.id DESC LIMIT p_limit;
    END IF;
END
$$;

-- The conversations that are due at `p_until` and come after a place: of one creator, or of all, which crosses
-- tenants and tells ids and times.
CREATE FUNCTION fanvue_bot.due_after(p_of uuid, p_until bigint, p_limit bigint, p_wake_at bigint,
    p_creator uuid, p_fan uuid)
RETURNS TABLE (creator_id uuid, fan_id uuid, wake_at bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    -- Before everything, if there is no place.
    v_wake_at bigint := coalesce(p_wake_at, -9223372036854775808);
    v_creator uuid := coalesce(p_creator, '00000000-0000-0000-0000-000000000000');
    v_fan uuid := coalesce(p_fan, '00000000-0000-0000-0000-000000000000');
    v_first boolean := p_wake_at IS NULL;
BEGIN
    IF p_of IS NULL THEN
        PERFORM set_config('app.crossing', 'due', true);
        RETURN QUERY
        SELECT c.creator_id, c.fan_id, c.wake_at FROM fanvue_bot.conversations AS c
        WHERE c.wake_at <= p_until AND (c.wake_at, c.creator_id, c.fan_id) >= (v_wake_at, v_creator, v_fan)
            AND (v_first OR (c.wake_at, c.creator_id, c.fan_id) <> (v_wake_at, v_creator, v_fan))
        ORDER BY c.wake_at, c.creator_id, c.fan_id LIMIT p_limit;
    ELSE
        PERFORM set_config('app.creator', p_of::text, true);
        RETURN QUERY
        SELECT c.creator_id, c.fan_id, c.wake_at FROM fanvue_bot.conversations AS c
        WHERE c.creator_id = p_of AND c.wake_at <= p_until AND (c.wake_at, c.fan_id) >= (v_wake_at, v_fan)
            AND (v_first OR (c.wake_at, c.fan_id) <> (v_wake_at, v_fan))
        ORDER BY c.wake_at, c.fan_id LIMIT p_limit;
    END IF;
END
$$;
