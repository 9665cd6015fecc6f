-- Shares: a claim takes no more than so many lanes of one creator, and none of some.

DROP FUNCTION fanvue_bot.claimable(integer, bigint, bigint, uuid, bigint);

-- Which lanes can be claimed, up to `p_limit` and at most `p_of_one` of a creator, in the order of their turns: those
-- of creators from the one after `p_cursor` on, but for `p_except`, one each and then again, of each the most urgent
-- first. Looks at what is due from `p_from` on.
--
-- A creator who is left out costs a step for each of its priorities, however many jobs it has, and its jobs count as
-- few or many like any other's.
CREATE FUNCTION fanvue_bot.claimable(p_limit integer, p_now bigint, p_lease_now bigint, p_cursor uuid,
    p_from bigint, p_of_one integer, p_except uuid[], OUT creators uuid[], OUT lanes uuid[])
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    -- A look at one creator's jobs of one priority ends after so many; then its lanes are looked at one by one,
    -- so that a lane with very many jobs hides no other.
    c_look constant integer := 2000;
    -- If fewer than this are due, only their creators need a look. Jobs in work do not count, but looking for
    -- others ends after so many.
    c_few constant integer := 500;
    c_many constant integer := 5000;
    c_first constant uuid := '00000000-0000-0000-0000-000000000000';
    v_few boolean;
    v_creator uuid := coalesce(p_cursor, c_first);
    v_priority integer := CASE WHEN p_cursor IS NULL THEN -1 ELSE 32767 END;
    v_upto uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    v_again boolean := p_cursor IS NOT NULL;
    v_creators uuid[];
    v_priorities smallint[];
    v_each integer;
    v_most bigint;
    -- How many of what was found can be taken.
    v_found bigint;
    -- What was found among these creators, and in all.
    f_creators uuid[]; f_lanes uuid[]; f_priorities smallint[]; f_dues bigint[]; f_seqs bigint[];
    a_creators uuid[] := '{}'; a_lanes uuid[] := '{}'; a_priorities smallint[] := '{}'; a_dues bigint[] := '{}';
    a_seqs bigint[] := '{}';
    v_deep uuid;
    v_start uuid;
BEGIN
    -- Whose jobs are due, if they are few.
    SELECT array_agg(t.creator_id) FILTER (WHERE t.creator_id <> ALL (p_except)),
        array_agg(t.priority) FILTER (WHERE t.creator_id <> ALL (p_except)),
        count(DISTINCT t.creator_id) FILTER (WHERE t.creator_id <> ALL (p_except)),
        coalesce(sum(t.jobs), 0) < c_few
    INTO v_creators, v_priorities, v_most, v_few
    FROM (
        SELECT d.creator_id, d.priority, count(*) AS jobs
        FROM (
            SELECT l.creator_id, l.priority FROM (
                SELECT j.creator_id, j.priority, j.leased_until FROM fanvue_bot.jobs AS j
                WHERE j.kind <> '' AND j.due_at >= p_from AND j.due_at <= p_now
                ORDER BY j.due_at LIMIT c_many
            ) AS l
            WHERE l.leased_until <= p_lease_now LIMIT c_few
        ) AS d
        GROUP BY d.creator_id, d.priority
    ) AS t;
    IF v_few THEN
        v_few := NOT EXISTS (
            SELECT FROM fanvue_bot.jobs AS j
            WHERE j.kind <> '' AND j.due_at >= p_from AND j.due_at <= p_now
            ORDER BY j.due_at OFFSET c_many LIMIT 1);
    END IF;

    LOOP
        EXIT WHEN v_few AND v_creators IS NULL;
        IF NOT v_few THEN
            -- The next pairs of creator and priority, by hops in the index: a step each, however many jobs they have.
            WITH RECURSIVE turn AS (
                (SELECT j.creator_id, j.priority FROM fanvue_bot.jobs AS j
                    WHERE (j.creator_id, j.priority) > (v_creator, v_priority)
                    ORDER BY j.creator_id, j.priority LIMIT 1)
                UNION ALL
                SELECT n.creator_id, n.priority FROM turn AS t
                CROSS JOIN LATERAL (
                    SELECT j.creator_id, j.priority FROM fanvue_bot.jobs AS j
                    WHERE (j.creator_id, j.priority) > (t.creator_id, t.priority)
                    ORDER BY j.creator_id, j.priority LIMIT 1
                ) AS n
                WHERE t.creator_id <= v_upto
            )
            SELECT array_agg(t.creator_id), array_agg(t.priority), count(DISTINCT t.creator_id)
            INTO v_creators, v_priorities, v_most
            FROM (
                SELECT * FROM turn WHERE creator_id <= v_upto AND creator_id <> ALL (p_except)
                LIMIT greatest(p_limit, 16)
            ) AS t;

            IF v_creators IS NULL THEN
                EXIT WHEN NOT v_again;
                -- Around to those before the cursor.
                v_again := false;
                v_upto := p_cursor;
                v_creator := c_first;
                v_priority := -1;
                CONTINUE;
            END IF;
        END IF;

        v_each := least(ceil(p_limit::numeric / v_most)::integer, p_of_one);
        LOOP
            -- The first jobs of lanes that can be claimed. A lane is found once, since it has one first job.
            SELECT array_agg(h.creator_id), array_agg(h.lane), array_agg(h.priority), array_agg(h.due_at),
                array_agg(h.seq), max(h.number)
            INTO f_creators, f_lanes, f_priorities, f_dues, f_seqs, v_most
            FROM unnest(v_creators, v_priorities) AS p (creator_id, priority)
            CROSS JOIN LATERAL (
                SELECT p.creator_id, l.lane, p.priority, l.due_at, l.seq, row_number() OVER () AS number
                FROM (
                    SELECT j.lane, j.due_at, j.seq FROM fanvue_bot.jobs AS j
                    WHERE j.creator_id = p.creator_id AND j.priority = p.priority AND j.due_at >= p_from
                        AND j.due_at <= p_now AND j.leased_until <= p_lease_now
                    ORDER BY j.due_at, j.seq LIMIT c_look
                ) AS l
                WHERE l.seq = (
                        SELECT f.seq FROM fanvue_bot.jobs AS f
                        WHERE f.creator_id = p.creator_id AND f.lane = l.lane
                        ORDER BY f.due_at, f.seq LIMIT 1)
                    AND (SELECT b.seq FROM fanvue_bot.jobs AS b
                        WHERE b.creator_id = p.creator_id AND b.lane = l.lane
                            AND (b.leased_until > p_lease_now OR b.backoff_until > p_now)
                        LIMIT 1) IS NULL
                LIMIT v_each
            ) AS h;
            SELECT sum(least(c.number, p_of_one)) INTO v_found
            FROM (SELECT count(*) AS number FROM unnest(f_creators) AS f (creator) GROUP BY f.creator) AS c;
            EXIT WHEN coalesce(v_found, 0) >= p_limit OR coalesce(v_most, 0) < v_each OR v_each >= p_of_one;
            -- Some have fewer: what they leave is for those that have more.
            v_each := least(v_each * 4, p_of_one);
        END LOOP;
        a_creators := a_creators || f_creators;
        a_lanes := a_lanes || f_lanes;
        a_priorities := a_priorities || f_priorities;
        a_dues := a_dues || f_dues;
        a_seqs := a_seqs || f_seqs;
        SELECT coalesce(sum(least(c.number, p_of_one)), 0) INTO v_found
        FROM (SELECT count(*) AS number FROM unnest(a_creators) AS a (creator) GROUP BY a.creator) AS c;
        EXIT WHEN v_few OR v_found >= p_limit;

        FOR v_deep IN
            SELECT DISTINCT p.creator_id FROM unnest(v_creators, v_priorities) AS p (creator_id, priority)
            WHERE EXISTS (
                SELECT FROM fanvue_bot.jobs AS j
                WHERE j.creator_id = p.creator_id AND j.priority = p.priority AND j.due_at >= p_from
                    AND j.due_at <= p_now AND j.leased_until <= p_lease_now
                ORDER BY j.due_at, j.seq OFFSET c_look LIMIT 1)
                -- Who has found as many as one may is not looked at further.
                AND (SELECT count(*) FROM unnest(a_creators) AS a (creator)
                    WHERE a.creator = p.creator_id) < p_of_one
        LOOP
            -- From anywhere and around, so that every lane is looked at sooner or later.
            v_start := gen_random_uuid();
            WITH RECURSIVE high AS (
                (SELECT j.lane FROM fanvue_bot.jobs AS j
                    WHERE j.creator_id = v_deep AND j.lane >= v_start ORDER BY j.lane LIMIT 1)
                UNION ALL
                SELECT n.lane FROM high AS h CROSS JOIN LATERAL (
                    SELECT j.lane FROM fanvue_bot.jobs AS j
                    WHERE j.creator_id = v_deep AND j.lane > h.lane ORDER BY j.lane LIMIT 1) AS n
            ), low AS (
                (SELECT j.lane FROM fanvue_bot.jobs AS j
                    WHERE j.creator_id = v_deep AND j.lane < v_start ORDER BY j.lane LIMIT 1)
                UNION ALL
                SELECT n.lane FROM low AS h CROSS JOIN LATERAL (
                    SELECT j.lane FROM fanvue_bot.jobs AS j
                    WHERE j.creator_id = v_deep AND j.lane > h.lane AND j.lane < v_start
                    ORDER BY j.lane LIMIT 1) AS n
            )
            SELECT array_agg(d.lane), array_agg(d.priority), array_agg(d.due_at), array_agg(d.seq)
            INTO f_lanes, f_priorities, f_dues, f_seqs
            FROM (
                SELECT o.lane, h.priority, h.due_at, h.seq
                FROM (SELECT * FROM high UNION ALL SELECT * FROM low LIMIT c_look) AS o
                CROSS JOIN LATERAL (
                    SELECT f.priority, f.due_at, f.seq FROM fanvue_bot.jobs AS f
                    WHERE f.creator_id = v_deep AND f.lane = o.lane ORDER BY f.due_at, f.seq LIMIT 1
                ) AS h
                WHERE h.due_at <= p_now AND h.seq <> ALL (a_seqs)
                    AND (SELECT b.seq FROM fanvue_bot.jobs AS b
                        WHERE b.creator_id = v_deep AND b.lane = o.lane
                            AND (b.leased_until > p_lease_now OR b.backoff_until > p_now)
                        LIMIT 1) IS NULL
                LIMIT p_limit
            ) AS d;
            a_creators := a_creators || array_fill(v_deep, ARRAY[coalesce(cardinality(f_lanes), 0)]);
            a_lanes := a_lanes || f_lanes;
            a_priorities := a_priorities || f_priorities;
            a_dues := a_dues || f_dues;
            a_seqs := a_seqs || f_seqs;
        END LOOP;

        v_creator := v_creators[cardinality(v_creators)];
        v_priority := v_priorities[cardinality(v_priorities)];
    END LOOP;

    -- One lane of each creator in turn, the most urgent of each first.
    SELECT array_agg(q.creator_id), array_agg(q.lane) INTO creators, lanes
    FROM (
        SELECT t.creator_id, t.lane FROM (
            SELECT a.creator_id, a.lane,
                row_number() OVER (PARTITION BY a.creator_id ORDER BY a.priority, a.due_at, a.seq) AS turn
            FROM unnest(a_creators, a_lanes, a_priorities, a_dues, a_seqs)
                AS a (creator_id, lane, priority, due_at, seq)
        ) AS t
        WHERE t.turn <= p_of_one
        ORDER BY t.turn, t.creator_id <= p_cursor, t.creator_id LIMIT p_limit
    ) AS q;
END
$$;

-- Claims up to `p_limit` lanes, at most `p_of_one` of a creator and none of `p_except`, with their due jobs, at most
-- `p_cap` of a lane, for `p_lease` microseconds from `p_lease_now`, or from now by this server's clock if that is null.
-- One row for each job.
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
-- when the first of all jobs was or is due as `leased_until`. While creators are left out, finding nothing does not say
-- that something lies below: then that row tells the next time alone.
CREATE FUNCTION fanvue_bot.claim(p_worker text, p_limit integer, p_cap integer, p_now bigint, p_lease bigint,
    p_lease_now bigint, p_cursor uuid, p_from bigint, p_of_one integer, p_except uuid[])
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
    IF p_limit <= 0 OR p_of_one <= 0 THEN
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
        FROM fanvue_bot.claimable(p_limit, p_now, v_lease_now, p_cursor, coalesce(v_from, v_first), p_of_one,
            p_except) AS c;
        EXIT WHEN v_lanes IS NOT NULL OR v_from IS NULL OR cardinality(p_except) > 0;
        v_from := NULL;
    END LOOP;
    IF v_from IS NULL OR v_lanes IS NULL THEN
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

-- For processes of the previous version, while they are replaced.
CREATE OR REPLACE FUNCTION fanvue_bot.claim(p_worker text, p_limit integer, p_cap integer, p_now bigint, p_lease bigint,
    p_lease_now bigint, p_cursor uuid, p_from bigint)
RETURNS TABLE (seq bigint, id uuid, creator_id uuid, lane uuid, priority smallint, kind text, due_at bigint,
    attempt integer, token bigint, leased_until bigint)
LANGUAGE sql
AS $$
    SELECT * FROM fanvue_bot.claim(p_worker, p_limit, p_cap, p_now, p_lease, p_lease_now, p_cursor, p_from, p_limit,
        '{}');
$$;
