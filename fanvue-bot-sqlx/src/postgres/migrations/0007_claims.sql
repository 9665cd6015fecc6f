-- Claims that do not wait for the disk.

-- Claims up to `p_limit` lanes with their due jobs, at most `p_cap` of a lane, for `p_lease` microseconds from
-- `p_lease_now`, or from now by this server's clock if that is null. One row for each job.
--
-- Claims take turns: of the lanes that one has taken, the next sees the leases. "The first row of its lane, and
-- locked" would not be exclusive, since rows become visible in another order than that of their numbers.
--
-- A lane can be claimed while none of its jobs is leased or backs off. Leases that have lapsed are taken over here
-- and nowhere else.
--
-- A claim does not wait until it is on disk, nor do those that wait for their turn. A server that crashes may forget
-- the last ones: their jobs can be claimed again at once, while who had them still works. Whatever that worker
-- commits on this server comes after its claim in the log, so what is on disk was claimed on disk; and of two who
-- work on one conversation only one can commit, as its revision says. Tokens come from the clock, and not from a
-- sequence, which a crash may set back, so that no token is ever given twice.
--
-- Ended jobs leave dead rows in the indexes, where due times are low, for as long as somebody's snapshot may see
-- them. Looking from `p_from` on spares walking over them. If that finds nothing, or it is null, everything is looked
-- at, and one more row, without a job, tells the next time after `p_now` at which a job comes due as `due_at`, and
-- when the first of all jobs was or is due as `leased_until`.
CREATE OR REPLACE FUNCTION fanvue_bot.claim(p_worker text, p_limit integer, p_cap integer, p_now bigint, p_lease bigint,
    p_lease_now bigint, p_cursor uuid, p_from bigint)
RETURNS TABLE (seq bigint, id uuid, creator_id uuid, lane uuid, priority smallint, kind text, due_at bigint,
    attempt integer, token bigint, leased_until bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_from bigint := p_from;
    v_first bigint;
    v_lease_now bigint;
    v_creators uuid[];
    v_lanes uuid[];
    v_rows tid[];
    v_lapsed boolean;
    v_locked bigint[];
    v_token bigint;
BEGIN
    IF p_limit <= 0 THEN
        RETURN;
    END IF;
    PERFORM set_config('app.crossing', 'queue', true);
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(1182155380, 1);
    v_lease_now := coalesce(p_lease_now, fanvue_bot.server_now());

    LOOP
        IF v_from IS NULL THEN
            -- Walks over the dead rows once; nothing after it does.
            SELECT j.due_at INTO v_first FROM fanvue_bot.jobs AS j
            WHERE j.kind <> '' ORDER BY j.due_at LIMIT 1;
        END IF;
        SELECT c.creators, c.lanes INTO v_creators, v_lanes
        FROM fanvue_bot.claimable(p_limit, p_now, v_lease_now, p_cursor, coalesce(v_from, v_first)) AS c;
        EXIT WHEN v_lanes IS NOT NULL OR v_from IS NULL;
        v_from := NULL;
    END LOOP;
    IF v_from IS NULL THEN
        leased_until := v_first;
        SELECT j.due_at INTO due_at FROM fanvue_bot.jobs AS j
        WHERE j.kind <> '' AND j.due_at > p_now ORDER BY j.due_at LIMIT 1;
        RETURN NEXT;
    END IF;
    IF v_lanes IS NULL THEN
        RETURN;
    END IF;

    LOOP
        SELECT array_agg(t.place), coalesce(bool_or(t.token <> 0), false) INTO v_rows, v_lapsed
        FROM unnest(v_creators, v_lanes) AS p (creator_id, lane)
        CROSS JOIN LATERAL (
            SELECT j.ctid AS place, j.token FROM fanvue_bot.jobs AS j
            WHERE j.creator_id = p.creator_id AND j.lane = p.lane AND j.due_at <= p_now
            ORDER BY j.due_at, j.seq LIMIT p_cap
        ) AS t;
        EXIT WHEN NOT v_lapsed OR v_locked IS NOT NULL;

        -- Whoever let a lease lapse may still extend or end it. From here on that is decided: what is locked is
        -- ours if it is still as it was, and a lane of which something is in other hands is left alone.
        SELECT array_agg(l.seq) INTO v_locked
        FROM (
            SELECT j.seq FROM unnest(v_creators, v_lanes) AS p (creator_id, lane)
            JOIN fanvue_bot.jobs AS j ON j.creator_id = p.creator_id AND j.lane = p.lane
            WHERE j.token <> 0
            FOR UPDATE OF j SKIP LOCKED
        ) AS l;
        v_locked := coalesce(v_locked, '{}');
        SELECT array_agg(p.creator_id), array_agg(p.lane) INTO v_creators, v_lanes
        FROM unnest(v_creators, v_lanes) AS p (creator_id, lane)
        WHERE (SELECT b.seq FROM fanvue_bot.jobs AS b
            WHERE b.creator_id = p.creator_id AND b.lane = p.lane
                AND (b.leased_until > v_lease_now OR b.backoff_until > p_now
                    OR (b.token <> 0 AND b.seq <> ALL (v_locked)))
            LIMIT 1) IS NULL;
    END LOOP;

    v_token := (fanvue_bot.server_now() << 8) | floor(random() * 256)::bigint;
    RETURN QUERY
    UPDATE fanvue_bot.jobs AS j
    SET token = v_token, leased_until = v_lease_now + p_lease, attempt = j.attempt + 1, worker = p_worker,
        backoff_until = NULL
    WHERE j.ctid = ANY (v_rows)
    RETURNING j.seq, j.id, j.creator_id, j.lane, j.priority, j.kind, j.due_at, j.attempt, j.token, j.leased_until;
END
$$;
