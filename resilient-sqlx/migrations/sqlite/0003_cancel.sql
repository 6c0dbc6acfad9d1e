-- The wish that an instance ends, and what has ended by its type. Times are whole microseconds since 1970-01-01 UTC.

-- whether somebody has asked for its end; in no index
alter table "{prefix}_functions" add column cancel_requested integer not null default 0
    check (cancel_requested in (0, 1));

drop index "{prefix}_functions_completed";

-- what is completed, for listing, and for retention, which each type has for itself
create index "{prefix}_functions_completed" on "{prefix}_functions" (status, type_id, completed_at) where status >= 3;

drop view "{prefix}_overview";

create view "{prefix}_overview" as
with clock (now) as (select cast(unixepoch('subsec') * 1000000 as integer)),
takers as (
    select runs.type_id, runs.version, runs.reads_param, runs.reads_scrapbook
    from "{prefix}_replicas" as live join "{prefix}_replica_types" as runs on runs.replica_id = live.id cross join clock
    where runs.reads_param is not null and clock.now - live.heartbeat_at <= live.lease
)
select
    f.type_id,
    f.instance_id,
    case f.status when 0 then 'executing' when 1 then 'postponed' when 2 then 'suspended' when 3 then 'succeeded'
        else 'failed' end as status,
    case
        when f.status = 0 and r.id is null then
            'its owner ' || f.owner || ' is not known any more; it is taken over'
        when f.status = 0 and t.replica_id is null then
            'its owner ' || f.owner || ' does not run version ' || f.version || ' of this type; it is taken over'
        when f.status = 0 and clock.now - r.heartbeat_at > t.lease then
            'its owner ' || f.owner || ' gave no sign of life since '
            || strftime('%Y-%m-%d %H:%M:%f', r.heartbeat_at / 1e6, 'unixepoch') || '; it is taken over'
        when f.status = 0 then
            'runs on replica ' || r.id || ' (' || r.pid || '@' || r.host || ')'
        when f.status = 3 then 'succeeded'
        when f.status = 4 then
            'failed: ' || coalesce(case when json_valid(f.failure) then f.failure ->> '$.message' end, f.failure)
            || '; repair it through the control panel'
        when f.due_at is null then coalesce(f.reason, 'waits for a message')
        when f.due_at > clock.now then
            coalesce(f.reason || '; due at ',
                case f.status when 2 then 'waits for a message until ' else 'waits until ' end)
            || strftime('%Y-%m-%d %H:%M:%f', f.due_at / 1e6, 'unixepoch')
        when not exists (
            select 1 from takers as t where t.type_id = f.type_id and t.version = f.version
        ) then 'no live replica runs version ' || f.version || ' of this type' || coalesce('; ' || f.reason, '')
        when not exists (
            select 1 from takers as t where t.type_id = f.type_id and t.version = f.version
                and t.reads_param >= f.param_version
        ) then 'no live replica reads parameter version ' || f.param_version || ' of this type'
            || coalesce('; ' || f.reason, '')
        when not exists (
            select 1 from takers as t where t.type_id = f.type_id and t.version = f.version
                and t.reads_param >= f.param_version and t.reads_scrapbook >= coalesce(f.scrapbook_version, 0)
        ) then 'no live replica reads scrapbook version ' || f.scrapbook_version || ' of this type'
            || coalesce('; ' || f.reason, '')
        else 'is due, and waits for a replica with a free slot that reads parameter version ' || f.param_version
            || coalesce(' and scrapbook version ' || f.scrapbook_version, '') || coalesce('; ' || f.reason, '')
    end || case when f.cancel_requested = 1 and f.status <= 2 then '; asked to end' else '' end as reason,
    f.epoch,
    f.attempts,
    f.crashes,
    f.owner,
    f.version,
    f.param_version,
    f.scrapbook_version,
    strftime('%Y-%m-%d %H:%M:%f', f.due_at / 1e6, 'unixepoch') as due_at,
    strftime('%Y-%m-%d %H:%M:%f', f.created_at / 1e6, 'unixepoch') as created_at,
    strftime('%Y-%m-%d %H:%M:%f', f.updated_at / 1e6, 'unixepoch') as updated_at,
    strftime('%Y-%m-%d %H:%M:%f', f.completed_at / 1e6, 'unixepoch') as completed_at,
    f.message_count as messages
from "{prefix}_functions" as f
cross join clock
left join "{prefix}_replicas" as r on r.id = f.owner
left join "{prefix}_replica_types" as t
    on t.replica_id = r.id and t.type_id = f.type_id and t.version = f.version;
