-- The wish that an instance ends, and what has ended by its type. Times are whole microseconds since 1970-01-01 UTC.

-- A change of the schema is no part of a transaction here, and not every server knows `add column if not exists`: whoever
-- ended between this step and its record left the column and the index.
set @resilient_step = (select if(count(*) > 0, 'do 0', 'alter table {functions}
    add column cancel_requested smallint not null default 0
        comment ''1 when somebody has asked for its end'',
    drop key completed,
    add key completed (status, type_id, completed_at)
') from information_schema.columns
where table_schema = database() and table_name = '{prefix}_functions' and column_name = 'cancel_requested');
prepare resilient_step from @resilient_step;
execute resilient_step;
deallocate prepare resilient_step;

create or replace sql security invoker view {overview} as
with takers as (
    select runs.type_id, runs.version, runs.reads_param, runs.reads_scrapbook
    from {replicas} as live join {replica_types} as runs on runs.replica_id = live.id
    where runs.reads_param is not null and {now} - live.heartbeat_at <= live.lease
)
select
    convert(f.type_id using utf8mb4) as type_id,
    convert(f.instance_id using utf8mb4) as instance_id,
    elt(f.status + 1, 'executing', 'postponed', 'suspended', 'succeeded', 'failed') as status,
    concat(case
        when f.status = 0 and r.id is null then
            concat('its owner ', convert(f.owner using utf8mb4), ' is not known any more; it is taken over')
        when f.status = 0 and t.replica_id is null then
            concat('its owner ', convert(f.owner using utf8mb4), ' does not run version ', f.version,
                ' of this type; it is taken over')
        when f.status = 0 and {now} - r.heartbeat_at > t.lease then
            concat('its owner ', convert(f.owner using utf8mb4), ' gave no sign of life since ',
                {epoch} + interval r.heartbeat_at microsecond, '; it is taken over')
        when f.status = 0 then
            concat('runs on replica ', convert(r.id using utf8mb4), ' (', r.pid, '@', r.host, ')')
        when f.status = 3 then 'succeeded'
        when f.status = 4 then
            concat('failed: ', coalesce(
                if(json_valid(f.failure), json_unquote(json_extract(f.failure, '$.message')), null), f.failure),
                '; repair it through the control panel')
        when f.due_at is null then coalesce(f.reason, 'waits for a message')
        when f.due_at > {now} then concat(
            coalesce(concat(f.reason, '; due at '), if(f.status = 2, 'waits for a message until ', 'waits until ')),
            {epoch} + interval f.due_at microsecond)
        when not exists (
            select 1 from takers as t where t.type_id = f.type_id and t.version = f.version
        ) then concat('no live replica runs version ', f.version, ' of this type',
            coalesce(concat('; ', f.reason), ''))
        when not exists (
            select 1 from takers as t where t.type_id = f.type_id and t.version = f.version
                and t.reads_param >= f.param_version
        ) then concat('no live replica reads parameter version ', f.param_version, ' of this type',
            coalesce(concat('; ', f.reason), ''))
        when not exists (
            select 1 from takers as t where t.type_id = f.type_id and t.version = f.version
                and t.reads_param >= f.param_version and t.reads_scrapbook >= coalesce(f.scrapbook_version, 0)
        ) then concat('no live replica reads scrapbook version ', f.scrapbook_version, ' of this type',
            coalesce(concat('; ', f.reason), ''))
        else concat('is due, and waits for a replica with a free slot that reads parameter version ',
            f.param_version, coalesce(concat(' and scrapbook version ', f.scrapbook_version), ''),
            coalesce(concat('; ', f.reason), ''))
    end, if(f.cancel_requested = 1 and f.status <= 2, '; asked to end', '')) as reason,
    f.epoch,
    f.attempts,
    f.crashes,
    convert(f.owner using utf8mb4) as owner,
    f.version,
    f.param_version,
    f.scrapbook_version,
    {epoch} + interval f.due_at microsecond as due_at,
    {epoch} + interval f.created_at microsecond as created_at,
    {epoch} + interval f.updated_at microsecond as updated_at,
    {epoch} + interval f.completed_at microsecond as completed_at,
    f.message_count as messages
from {functions} as f
left join {replicas} as r on r.id = f.owner
left join (
    select replica_id, type_id, version, max(lease) as lease from {replica_types} group by replica_id, type_id, version
) as t on t.replica_id = r.id and t.type_id = f.type_id and t.version = f.version;
