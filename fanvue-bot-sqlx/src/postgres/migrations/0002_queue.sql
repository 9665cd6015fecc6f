-- The queue's operations: one call is one statement, one round trip and one transaction. All of them look rows
-- up by an index, whatever the statistics of a table say whose size swings between nothing and millions: hence
-- the planner settings, which hold inside the function.

-- Microseconds since 1970 by this server's clock.
CREATE FUNCTION fanvue_bot.server_now() RETURNS bigint
LANGUAGE sql VOLATILE
AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Adds jobs whose keys are free, of any number of tenants; leaves out those that follow from a refused change.
-- Answers with a number for each job, in their order, and with those of the jobs that were added.
--
-- A key is free if no job has it, which the unique index tells, and no ended one, which is looked up afterwards:
-- a job that ends at the same time has left its key behind by then, or the index has waited for it.
CREATE FUNCTION fanvue_bot.add_jobs(p_jobs json, p_refused integer[], p_now bigint, p_millis bigint,
    OUT numbers bigint[], OUT added bigint[])
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
DECLARE
    v_creators uuid[];
    v_keys text[];
    v_taken bigint[];
BEGIN
    PERFORM set_config('app.crossing', 'queue', true);
    -- Numbered in the order of the call, inserted in the order of the keys: two calls with the same keys wait
    -- for each other and never for both.
    WITH numbered AS MATERIALIZED (
        SELECT nextval('fanvue_bot.jobs_seq') AS seq, j.*
        FROM json_to_recordset(p_jobs)
            AS j (change integer, creator uuid, lane uuid, key text, kind text, priority smallint, due bigint)
    ), inserted AS (
        INSERT INTO fanvue_bot.jobs AS j
            (seq, creator_id, lane, id, due_at, priority, idempotency_key, kind)
        SELECT n.seq, n.creator, n.lane,
            -- A version 7 uuid that ends in the number: its 62 low bits.
            (lpad(to_hex(p_millis), 12, '0') || '7000' || to_hex(n.seq | (-9223372036854775808)))::uuid,
            n.due, n.priority, n.key, n.kind
        FROM numbered AS n
        WHERE n.change IS NULL OR n.change <> ALL (p_refused)
        ORDER BY n.creator, n.key COLLATE "C", n.seq
        ON CONFLICT (creator_id, idempotency_key) DO NOTHING
        RETURNING j.seq, j.creator_id, j.idempotency_key
    )
    SELECT (SELECT array_agg(n.seq ORDER BY n.seq) FROM numbered AS n), array_agg(i.seq),
        array_agg(i.creator_id), array_agg(i.idempotency_key)
    INTO numbers, added, v_creators, v_keys FROM inserted AS i;

    SELECT array_agg(n.seq) INTO v_taken
    FROM unnest(added, v_creators, v_keys) AS n (seq, creator, key)
    CROSS JOIN LATERAL (
        SELECT FROM fanvue_bot.job_keys AS k
        WHERE k.creator_id = n.creator AND k.idempotency_key = n.key AND k.expires_at > p_now OFFSET 0
    ) AS taken;
    IF v_taken IS NOT NULL THEN
        DELETE FROM fanvue_bot.jobs AS j WHERE j.seq = ANY (v_taken);
        SELECT array_agg(a) INTO added FROM unnest(added) AS a WHERE a <> ALL (v_taken);
    END IF;
END
$$;

-- Which lanes can be claimed, up to `p_limit`, in the order of their turns: those of creators from the one after
-- `p_cursor` on, one each and then again, of each the most urgent first. Looks at what is due from `p_from` on.
CREATE FUNCTION fanvue_bot.claimable(p_limit integer, p_now bigint, p_lease_now bigint, p_cursor uuid,
    p_from bigint, OUT creators uuid[], OUT lanes uuid[])
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
    -- What was found among these creators, and in all.
    f_creators uuid[]; f_lanes uuid[]; f_priorities smallint[]; f_dues bigint[]; f_seqs bigint[];
    a_creators uuid[] := '{}'; a_lanes uuid[] := '{}'; a_priorities smallint[] := '{}'; a_dues bigint[] := '{}';
    a_seqs bigint[] := '{}';
    v_deep uuid;
    v_start uuid;
BEGIN
    -- Whose jobs are due, if they are few.
    SELECT array_agg(t.creator_id), array_agg(t.priority), count(DISTINCT t.creator_id),
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
            FROM (SELECT * FROM turn WHERE creator_id <= v_upto LIMIT greatest(p_limit, 16)) AS t;

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

        v_each := ceil(p_limit::numeric / v_most)::integer;
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
            EXIT WHEN coalesce(cardinality(f_seqs), 0) >= p_limit OR coalesce(v_most, 0) < v_each
                OR v_each >= p_limit;
            -- Some have fewer: what they leave is for those that have more.
            v_each := least(v_each * 4, p_limit);
        END LOOP;
        a_creators := a_creators || f_creators;
        a_lanes := a_lanes || f_lanes;
        a_priorities := a_priorities || f_priorities;
        a_dues := a_dues || f_dues;
        a_seqs := a_seqs || f_seqs;
        EXIT WHEN v_few OR cardinality(a_seqs) >= p_limit;

        FOR v_deep IN
            SELECT DISTINCT p.creator_id FROM unnest(v_creators, v_priorities) AS p (creator_id, priority)
            WHERE EXISTS (
                SELECT FROM fanvue_bot.jobs AS j
                WHERE j.creator_id = p.creator_id AND j.priority = p.priority AND j.due_at >= p_from
                    AND j.due_at <= p_now AND j.leased_until <= p_lease_now
                ORDER BY j.due_at, j.seq OFFSET c_look LIMIT 1)
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
        SELECT a.creator_id, a.lane,
            row_number() OVER (PARTITION BY a.creator_id ORDER BY a.priority, a.due_at, a.seq) AS turn
        FROM unnest(a_creators, a_lanes, a_priorities, a_dues, a_seqs)
            AS a (creator_id, lane, priority, due_at, seq)
        ORDER BY turn, a.creator_id <= p_cursor, a.creator_id LIMIT p_limit
    ) AS q;
END
$$;

-- Claims up to `p_limit` lanes with their due jobs, at most `p_cap` of a lane, for `p_lease` microseconds from
-- `p_lease_now`, or from now by this server's clock if that is null. One row for each job.
--
-- Claims take turns: of the lanes that one has taken, the next sees the leases. "The first row of its lane, and
-- locked" would not be exclusive, since rows become visible in another order than that of their numbers.
--
-- A lane can be claimed while none of its jobs is leased or backs off. Leases that have lapsed are taken over here
-- and nowhere else.
--
-- Ended jobs leave dead rows in the indexes, where due times are low, for as long as somebody's snapshot may see
-- them. Looking from `p_from` on spares walking over them. If that finds nothing, or it is null, everything is looked
-- at, and one more row, without a job, tells the next time after `p_now` at which a job comes due as `due_at`, and
-- when the first of all jobs was or is due as `leased_until`.
CREATE FUNCTION fanvue_bot.claim(p_worker text, p_limit integer, p_cap integer, p_now bigint, p_lease bigint,
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

    v_token := nextval('fanvue_bot.fences');
    RETURN QUERY
    UPDATE fanvue_bot.jobs AS j
    SET token = v_token, leased_until = v_lease_now + p_lease, attempt = j.attempt + 1, worker = p_worker,
        backoff_until = NULL
    WHERE j.ctid = ANY (v_rows)
    RETURNING j.seq, j.id, j.creator_id, j.lane, j.priority, j.kind, j.due_at, j.attempt, j.token, j.leased_until;
END
$$;

-- Extends the leases of the claims that still hold their jobs; answers with these and until when.
CREATE FUNCTION fanvue_bot.extend(p_seqs bigint[], p_tokens bigint[], p_lease bigint, p_lease_now bigint)
RETURNS TABLE (seq bigint, token bigint, leased_until bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    v_until bigint := coalesce(p_lease_now, fanvue_bot.server_now()) + p_lease;
BEGIN
    PERFORM set_config('app.crossing', 'queue', true);
    RETURN QUERY
    UPDATE fanvue_bot.jobs AS j SET leased_until = v_until
    FROM unnest(p_seqs, p_tokens) AS c (seq, token)
    WHERE j.seq = c.seq AND j.token = c.token
    RETURNING j.seq, j.token, j.leased_until;
END
$$;

-- Removes the jobs of the claims that still hold them; their keys stay taken until `p_expires_at`. Answers with
-- these claims.
CREATE FUNCTION fanvue_bot.complete(p_seqs bigint[], p_tokens bigint[], p_expires_at bigint)
RETURNS TABLE (seq bigint, token bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.crossing', 'queue', true);
    RETURN QUERY
    WITH ended AS (
        DELETE FROM fanvue_bot.jobs AS j
        USING unnest(p_seqs, p_tokens) AS c (seq, token)
        WHERE j.seq = c.seq AND j.token = c.token
        RETURNING j.seq, j.token, j.creator_id, j.idempotency_key
    ), kept AS (
        INSERT INTO fanvue_bot.job_keys AS k (creator_id, idempotency_key, expires_at)
        SELECT e.creator_id, e.idempotency_key, p_expires_at FROM ended AS e
        ON CONFLICT (creator_id, idempotency_key) DO UPDATE SET expires_at = excluded.expires_at
    )
    SELECT e.seq, e.token FROM ended AS e;
END
$$;

-- Hands a claimed job back, to be claimed again from `p_due` on; answers whether the claim held it.
CREATE FUNCTION fanvue_bot.reschedule(p_seq bigint, p_token bigint, p_due bigint, p_cause text)
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'queue', true);
    UPDATE fanvue_bot.jobs AS j
    SET token = 0, leased_until = 0, worker = NULL, due_at = p_due, backoff_until = p_due, last_error = p_cause
    WHERE j.seq = p_seq AND j.token = p_token;
    RETURN FOUND;
END
$$;

-- Moves a claimed job to the dead letters; answers whether the claim held it.
CREATE FUNCTION fanvue_bot.dead_letter(p_seq bigint, p_token bigint, p_now bigint, p_expires_at bigint,
    p_cause text)
RETURNS boolean
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'queue', true);
    WITH ended AS (
        DELETE FROM fanvue_bot.jobs AS j WHERE j.seq = p_seq AND j.token = p_token RETURNING j.*
    ), kept AS (
        INSERT INTO fanvue_bot.job_keys AS k (creator_id, idempotency_key, expires_at)
        SELECT e.creator_id, e.idempotency_key, p_expires_at FROM ended AS e
        ON CONFLICT (creator_id, idempotency_key) DO UPDATE SET expires_at = excluded.expires_at
    )
    INSERT INTO fanvue_bot.dead_letters
        (seq, creator_id, lane, id, due_at, failed_at, attempt, priority, idempotency_key, kind, cause)
    SELECT e.seq, e.creator_id, e.lane, e.id, e.due_at, p_now, e.attempt, e.priority, e.idempotency_key, e.kind,
        p_cause
    FROM ended AS e;
    RETURN FOUND;
END
$$;

-- Forgets up to `p_limit` keys whose time is over, and tells how many these were. Tells for how many microseconds
-- the oldest snapshot has been held by another session on this database, of those that this role may see.
CREATE FUNCTION fanvue_bot.upkeep(p_now bigint, p_limit integer, OUT forgotten bigint, OUT snapshot bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
AS $$
BEGIN
    PERFORM set_config('app.crossing', 'queue', true);
    DELETE FROM fanvue_bot.job_keys AS k
    WHERE k.ctid = ANY (ARRAY(
        SELECT e.ctid FROM fanvue_bot.job_keys AS e
        WHERE e.expires_at <= p_now AND e.expires_at <> 9223372036854775807
        ORDER BY e.expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    SELECT (extract(epoch FROM clock_timestamp() - min(a.xact_start)) * 1000000)::bigint INTO snapshot
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL AND a.pid <> pg_backend_pid()
        AND a.backend_type <> 'autovacuum worker';
END
$$;
