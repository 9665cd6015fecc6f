-- Events that are acknowledged and not yet taken in. Rows live shortly, so dead ones are many, and are cleared away
-- early.
CREATE TABLE fanvue_bot.inbox (
    creator_id uuid NOT NULL,
    seq bigint NOT NULL,
    fan_id uuid NOT NULL,
    received_at bigint NOT NULL,
    put_off_to bigint NOT NULL DEFAULT 0,
    put_off integer NOT NULL DEFAULT 0,
    topic text,
    event_id text,
    body bytea NOT NULL,
    PRIMARY KEY (creator_id, seq)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE SEQUENCE fanvue_bot.inbox_seq AS bigint OWNED BY fanvue_bot.inbox.seq;
CREATE INDEX inbox_conversation ON fanvue_bot.inbox (creator_id, fan_id);

ALTER TABLE fanvue_bot.inbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON fanvue_bot.inbox
    USING (creator_id = nullif(current_setting('app.creator', true), '')::uuid);
-- Events of all tenants are kept together and taken in together.
CREATE POLICY crossing_inbox ON fanvue_bot.inbox
    USING ((SELECT current_setting('app.crossing', true)) = 'inbox');

-- Keeps events: the columns of as many rows.
CREATE FUNCTION fanvue_bot.keep_events(p_creators uuid[], p_fans uuid[], p_received_at bigint[], p_topics text[],
    p_event_ids text[], p_bodies bytea[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'inbox', true);
    INSERT INTO fanvue_bot.inbox (creator_id, seq, fan_id, received_at, topic, event_id, body)
    SELECT e.creator_id, nextval('fanvue_bot.inbox_seq'), e.fan_id, e.received_at, e.topic, e.event_id, e.body
    FROM unnest(p_creators, p_fans, p_received_at, p_topics, p_event_ids, p_bodies)
        AS e (creator_id, fan_id, received_at, topic, event_id, body);
END
$$;

-- Events that are not put off to later than `p_now`: at most `p_cap` of a creator, the first kept first, from the
-- creator after `p_after` on and around, so that nobody's many events hold up another's few.
CREATE FUNCTION fanvue_bot.events_waiting(p_now bigint, p_limit bigint, p_cap bigint, p_after uuid)
RETURNS SETOF fanvue_bot.inbox
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
AS $$
DECLARE
    v_left bigint := p_limit;
    v_creator uuid := p_after;
    v_count bigint;
BEGIN
    PERFORM set_config('app.crossing', 'inbox', true);
    FOR v_round IN 1..2 LOOP
        LOOP
            IF v_creator IS NULL THEN
                SELECT i.creator_id INTO v_creator FROM fanvue_bot.inbox AS i ORDER BY i.creator_id LIMIT 1;
            ELSE
                SELECT i.creator_id INTO v_creator FROM fanvue_bot.inbox AS i
                WHERE i.creator_id > v_creator ORDER BY i.creator_id LIMIT 1;
            END IF;
            EXIT WHEN v_creator IS NULL OR (v_round = 2 AND v_creator > p_after);
            RETURN QUERY SELECT i.* FROM fanvue_bot.inbox AS i
            WHERE i.creator_id = v_creator AND i.put_off_to <= p_now
            ORDER BY i.creator_id, i.seq LIMIT least(p_cap, v_left);
            GET DIAGNOSTICS v_count = ROW_COUNT;
            v_left := v_left - v_count;
            IF v_left <= 0 THEN
                RETURN;
            END IF;
        END LOOP;
        EXIT WHEN p_after IS NULL;
        v_creator := NULL;
    END LOOP;
END
$$;

-- Events of one conversation, the first kept first.
CREATE FUNCTION fanvue_bot.events_waiting_of(p_creator uuid, p_fan uuid, p_limit bigint) RETURNS SETOF fanvue_bot.inbox
LANGUAGE plpgsql
SET enable_seqscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    RETURN QUERY SELECT i.* FROM fanvue_bot.inbox AS i
    WHERE i.creator_id = p_creator AND i.fan_id = p_fan ORDER BY i.seq LIMIT p_limit;
END
$$;

-- Forgets events, in the order of the lists, which must be that of all callers. Does not wait for the disk: one that a crash brings back is taken in once more, which changes
-- nothing.
CREATE FUNCTION fanvue_bot.settle_events(p_creators uuid[], p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'inbox', true);
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM fanvue_bot.inbox AS i USING unnest(p_creators, p_seqs) AS e (creator_id, seq)
    WHERE i.creator_id = e.creator_id AND i.seq = e.seq;
END
$$;

-- Puts an event off.
CREATE FUNCTION fanvue_bot.put_off_event(p_creator uuid, p_seq bigint, p_until bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('app.creator', p_creator::text, true);
    UPDATE fanvue_bot.inbox AS i SET put_off_to = p_until, put_off = i.put_off + 1
    WHERE i.creator_id = p_creator AND i.seq = p_seq;
END
$$;
