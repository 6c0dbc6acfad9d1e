-- Whose child an instance is: retention keeps the result of a child as long as its parent may ask for it. The view also
-- says that nobody could go on with what waits.

-- A change of the schema is no part of a transaction here, and not every server knows `add column if not exists`: whoever
-- ended between this step and its record left the columns.
set @resilient_step = (select if(count(*) > 0, 'do 0', 'alter table {functions}
    add column parent_type_id varbinary(200) null
        comment ''the function type of the instance that has begun it as its child'',
    add column parent_instance_id varbinary(200) null
        comment ''the instance of that type''
') from information_schema.columns
where table_schema = database() and table_name = '{prefix}_functions' and column_name = 'parent_instance_id');
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
    concat_ws('; ',
        case
            when f.status = 0 and r.id is null then
                concat('its owner ', convert(f.owner using utf8mb4), ' is not known any more')
            when f.status = 0 and t.replica_id is null then
                concat('its owner ', convert(f.owner using utf8mb4), ' does not run version ', f.version,
                    ' of this type')
            when f.status = 0 and {now} - r.heartbeat_at > t.lease then
                concat('its owner ', convert(f.owner using utf8mb4), ' gave no sign of life since ',
                    {epoch} + interval r.heartbeat_at microsecond)
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
        end,
        if(f.status >= 3 or f.status = 0 and {now} - r.heartbeat_at <= t.lease, null, coalesce(
            (select case
                when count(t.type_id) = 0 then
                    'no live replica runs this type; start one that registers it and takes work'
                when count(if(t.version = f.version, 1, null)) = 0 then
                    concat('no live replica runs version ', f.version, ' of this type')
                when count(if(t.version = f.version and t.reads_param >= f.param_version, 1, null)) = 0 then
                    concat('no live replica reads parameter version ', f.param_version, ' of this type')
                when count(if(t.version = f.version and t.reads_param >= f.param_version
                    and t.reads_scrapbook >= coalesce(f.scrapbook_version, 0), 1, null)) = 0 then
                    concat('no live replica reads scrapbook version ', f.scrapbook_version, ' of this type')
            end from takers as t where t.type_id = f.type_id),
            case
                when f.status = 0 then 'it is taken over'
                when f.due_at <= {now} then
                    concat('is due, and waits for a replica with a free slot that reads parameter version ',
                        f.param_version, coalesce(concat(' and scrapbook version ', f.scrapbook_version), ''))
            end)),
        -- why it is due; what a run has said that was suspended is not so any more
        case
            when f.status = 2 and f.due_at = f.updated_at then 'a message came'
            when f.status = 1 and f.due_at <= {now} then f.reason
        end,
        if(f.cancel_requested = 1 and f.status <= 2, 'asked to end', null)) as reason,
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
    f.message_count as messages,
    convert(f.parent_type_id using utf8mb4) as parent_type_id,
    convert(f.parent_instance_id using utf8mb4) as parent_instance_id
from {functions} as f
left join {replicas} as r on r.id = f.owner
left join (
    select replica_id, type_id, version, max(lease) as lease from {replica_types} group by replica_id, type_id, version
) as t on t.replica_id = r.id and t.type_id = f.type_id and t.version = f.version;
