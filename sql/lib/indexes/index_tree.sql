CREATE OR REPLACE FUNCTION dbperf.index_tree(relation regclass, root regclass, definition text)
RETURNS TABLE (tree_table regclass, parent regclass, is_partitioned boolean, index regclass, is_attached boolean, left_overs regclass[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- down the tree: which index of each table belongs to the root's, or can
    WITH RECURSIVE tree AS (
        SELECT c.oid, NULL::oid AS parent, c.relkind, 0 AS level, ARRAY[]::oid[] AS path FROM pg_catalog.pg_class AS c WHERE c.oid = index_tree.relation
        UNION ALL
        SELECT c.oid, t.oid, c.relkind, t.level + 1, t.path || c.oid
        FROM tree AS t
        JOIN pg_catalog.pg_inherits AS h ON h.inhparent = t.oid AND NOT h.inhdetachpending
        JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid
        WHERE t.relkind = 'p'
    ),
    attached AS (
        SELECT h.inhrelid FROM pg_catalog.pg_inherits AS h WHERE h.inhparent = index_tree.root
        UNION ALL
        SELECT h.inhrelid FROM attached AS a JOIN pg_catalog.pg_inherits AS h ON h.inhparent = a.inhrelid
    ),
    equal AS ( -- the others that are equal, unless they belong to somebody else's root
        SELECT i.indrelid, i.indexrelid, i.indisvalid, t.relkind
        FROM tree AS t JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid
        WHERE t.level > 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = i.indexrelid)
          AND dbperf.index_definition(i.indexrelid) = index_tree.definition
    )
    SELECT t.oid::regclass, t.parent::regclass, t.relkind = 'p',
           CASE WHEN t.level = 0 THEN index_tree.root ELSE coalesce(x.indexrelid, e.index)::regclass END,
           t.level = 0 OR x.indexrelid IS NOT NULL, coalesce(e.left_overs, '{}')
    FROM tree AS t
    LEFT JOIN (attached AS a JOIN pg_catalog.pg_index AS x ON x.indexrelid = a.inhrelid) ON x.indrelid = t.oid
    LEFT JOIN (
        SELECT e.indrelid, pg_catalog.min(e.indexrelid) FILTER (WHERE e.indisvalid OR e.relkind = 'p') AS index,
               pg_catalog.array_agg(e.indexrelid::regclass) FILTER (WHERE NOT e.indisvalid AND e.relkind = 'r') AS left_overs
        FROM equal AS e GROUP BY e.indrelid
    ) AS e ON e.indrelid = t.oid
    WHERE t.relkind IN ('p', 'r', 'f')
    ORDER BY t.path
$$;

COMMENT ON FUNCTION dbperf.index_tree(regclass, regclass, text) IS
    'Of each table of a partitioned one''s tree: the index that belongs to the root''s, or an equal one that can be attached, and invalid ones that an interrupted build left. Locks: none.';
