-- What fans pay: each telling of money once. Written by `commit_conversation` alone, under the conversation's lock.
CREATE TABLE fanvue_bot.transactions (
    creator_id uuid NOT NULL,
    fan_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    telling text NOT NULL,
    amount_cents bigint,
    net_cents bigint,
    currency text,
    at bigint NOT NULL,
    stored_at bigint NOT NULL,
    message_id uuid,
    post_id uuid,
    reference text,
    reverses uuid,
    same_as uuid,
    PRIMARY KEY (creator_id, fan_id, id)
);
CREATE INDEX transactions_newest ON fanvue_bot.transactions (creator_id, fan_id, at DESC, id DESC);

ALTER TABLE fanvue_bot.transactions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fanvue_bot.transactions
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);

CREATE FUNCTION fanvue_bot.transaction(p_creator uuid, p_fan uuid, p_id uuid)
RETURNS SETOF fanvue_bot.transactions
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY
    SELECT t.* FROM fanvue_bot.transactions AS t
    WHERE t.creator_id = p_creator AND t.fan_id = p_fan AND t.id = p_id;
END
$$;

-- The transactions of a conversation that come after a place, the latest first; from the first if there is none.
CREATE FUNCTION fanvue_bot.transactions_after(p_creator uuid, p_fan uuid, p_limit bigint, p_at bigint, p_id uuid)
RETURNS SETOF fanvue_bot.transactions
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    IF p_id IS NULL THEN
        RETURN QUERY
        SELECT t.* FROM fanvue_bot.transactions AS t
        WHERE t.creator_id = p_creator AND t.fan_id = p_fan
        ORDER BY t.at DESC, t.id DESC LIMIT p_limit;
    ELSE
        RETURN QUERY
        SELECT t.* FROM fanvue_bot.transactions AS t
        WHERE t.creator_id = p_creator AND t.fan_id = p_fan AND (t.at, t.id) < (p_at, p_id)
        ORDER BY t.at DESC, t.id DESC LIMIT p_limit;
    END IF;
END
$$;

-- As before, and erases as many of the transactions; answers the greater of both numbers.
CREATE OR REPLACE FUNCTION fanvue_bot.erase_messages(p_creator uuid, p_fan uuid, p_through bigint, p_limit bigint)
RETURNS bigint
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    v_erased bigint;
    v_paid bigint;
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    PERFORM c.revision FROM fanvue_bot.conversations AS c
    WHERE c.creator_id = p_creator AND c.fan_id = p_fan FOR UPDATE;
    DELETE FROM fanvue_bot.fans AS f WHERE f.creator_id = p_creator AND f.fan_id = p_fan;
    DELETE FROM fanvue_bot.messages AS m
    WHERE m.creator_id = p_creator AND m.fan_id = p_fan AND m.id = ANY (ARRAY(
        SELECT e.id FROM fanvue_bot.messages AS e
        WHERE e.creator_id = p_creator AND e.fan_id = p_fan AND e.sent_at <= p_through
        ORDER BY e.sent_at DESC, e.id DESC LIMIT p_limit));
    GET DIAGNOSTICS v_erased = ROW_COUNT;
    DELETE FROM fanvue_bot.transactions AS t
    WHERE t.creator_id = p_creator AND t.fan_id = p_fan AND t.id = ANY (ARRAY(
        SELECT e.id FROM fanvue_bot.transactions AS e
        WHERE e.creator_id = p_creator AND e.fan_id = p_fan AND e.at <= p_through
        ORDER BY e.at DESC, e.id DESC LIMIT p_limit));
    GET DIAGNOSTICS v_paid = ROW_COUNT;
    RETURN greatest(v_erased, v_paid);
END
$$;

-- As before, with transactions: one that exists is a conflict.
CREATE OR REPLACE FUNCTION fanvue_bot.commit_conversation(p_creator uuid, p_change json, OUT verdict text,
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
    v_transactions json;
    v_stored bigint;
BEGIN
    -- Read once: each `->>` would read the whole text again.
    SELECT r.fan, r.expected, r.wake_at, r.state, r.known, r.messages, r.contents, r.decisions, r.deletions,
        r.transactions
    INTO v_fan, v_expected, v_wake_at, v_state, v_known, v_messages, v_contents, v_decisions, v_deletions,
        v_transactions
    FROM json_to_record(p_change)
        AS r (fan uuid, expected bigint, wake_at bigint, state text, known json, messages json, contents json,
            decisions json, deletions json, transactions json);
    PERFORM set_config('app.creator', p_creator::text, true);
    IF v_contents IS NOT NULL OR v_decisions IS NOT NULL OR v_deletions IS NOT NULL
        OR v_transactions IS NOT NULL
    THEN
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
        IF v_transactions IS NOT NULL THEN
            PERFORM t.id FROM json_to_recordset(v_transactions) AS n (id uuid)
            JOIN fanvue_bot.transactions AS t
                ON t.creator_id = p_creator AND t.fan_id = v_fan AND t.id = n.id
            LIMIT 1;
            IF FOUND THEN
                verdict := 'conflict';
                RETURN;
            END IF;
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
    IF v_transactions IS NOT NULL THEN
        INSERT INTO fanvue_bot.transactions (creator_id, fan_id, id, kind, telling, amount_cents, net_cents, currency,
            at, stored_at, message_id, post_id, reference, reverses, same_as)
        SELECT p_creator, v_fan, n.id, n.kind, n.telling, n.amount_cents, n.net_cents, n.currency, n.at, n.stored_at,
            n.message, n.post, n.reference, n.reverses, n.same_as
        FROM json_to_recordset(v_transactions)
            AS n (id uuid, kind text, telling text, amount_cents bigint, net_cents bigint, currency text, at bigint,
                stored_at bigint, message uuid, post uuid, reference text, reverses uuid, same_as uuid);
    END IF;
END
$$;
