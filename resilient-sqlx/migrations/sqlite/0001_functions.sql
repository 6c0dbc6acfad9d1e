-- Instances, replicas, and a view for people. Times are whole microseconds since 1970-01-01 UTC.

create table "{prefix}_functions" (
    -- the name of the function type
    type_id text not null,
    -- the name of the instance, chosen by the caller
    instance_id text not null,
    -- 0 executing, 1 postponed, 2 suspended, 3 succeeded, 4 failed
    status integer not null check (status between 0 and 4),
    -- fencing token, one higher after every claim, transition and edit
    epoch integer not null default 0 check (epoch >= 0),
    -- the replica that runs it
    owner text,
    -- how many runs were begun
    attempts integer not null default 0 check (attempts between 0 and 4294967295),
    -- how many runs were lost since the last progress
    crashes integer not null default 0 check (crashes between 0 and 4294967295),
    -- when it becomes due
    due_at integer,
    -- the version of the function it was started with
    version integer not null check (version between 0 and 4294967295),
    -- its input, JSON text
    param text not null,
    -- the version of the input's type
    param_version integer not null check (param_version between 0 and 4294967295),
    -- its progress, JSON text
    scrapbook text,
    -- the version of the progress's type
    scrapbook_version integer check (scrapbook_version between 0 and 4294967295),
    -- its result, JSON text
    result text,
    -- the version of the result's type
    result_version integer check (result_version between 0 and 4294967295),
    -- its failure, JSON text
    failure text,
    -- how many messages were ever appended
    message_count integer not null default 0 check (message_count >= 0),
    -- when it was created
    created_at integer not null,
    -- when it was last written
    updated_at integer not null,
    -- when it succeeded or failed
    completed_at integer,
    primary key (type_id, instance_id),
    check ((status = 0) = (owner is not null)),
    check ((status = 3) = (result is not null) and (result is null) = (result_version is null)),
    check ((status = 4) = (failure is not null)),
    check ((status >= 3) = (completed_at is not null)),
    check ((scrapbook is null) = (scrapbook_version is null))
) strict;

-- what is due, for claims
create index "{prefix}_functions_due" on "{prefix}_functions" (type_id, version, due_at, instance_id)
    where status in (1, 2) and due_at is not null;

-- what runs, by its owner, for the release of what dead replicas ran
create index "{prefix}_functions_owner" on "{prefix}_functions" (owner, type_id, version) where status = 0;

-- what is completed, for listing and retention
create index "{prefix}_functions_completed" on "{prefix}_functions" (status, completed_at) where status >= 3;

create table "{prefix}_replicas" (
    -- fresh for every start of a process
    id text not null primary key,
    -- the last accepted sign of life
    heartbeat_at integer not null,
    -- how long it counts as alive after a sign of life, in microseconds
    lease integer not null,
    -- when it started
    started_at integer not null,
    -- the machine, for people
    host text not null,
    -- the process, for people
    pid integer not null,
    -- the version of the application, for people
    app_version text not null
) strict;

create table "{prefix}_replica_types" (
    -- the replica that can run it
    replica_id text not null references "{prefix}_replicas" (id) on delete cascade,
    -- the place in the replica's list
    position integer not null,
    -- the function type
    type_id text not null,
    -- the version of the function
    version integer not null,
    -- how long after the owner's last sign of life an instance counts as running, in microseconds
    lease integer not null,
    primary key (replica_id, position)
) strict;

create view "{prefix}_overview" as
with clock (now) as (select cast(unixepoch('subsec') * 1000000 as integer))
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
        when f.due_at is null then 'waits for a message'
        when f.due_at > clock.now then
            'waits until ' || strftime('%Y-%m-%d %H:%M:%f', f.due_at / 1e6, 'unixepoch')
        when not exists (
            select 1 from "{prefix}_replicas" as live join "{prefix}_replica_types" as runs
                on runs.replica_id = live.id
            where runs.type_id = f.type_id and runs.version = f.version
                and clock.now - live.heartbeat_at <= live.lease
        ) then 'no live replica runs version ' || f.version || ' of this type'
        else 'is due, and waits for a replica with a free slot that reads parameter version ' || f.param_version
            || coalesce(' and scrapbook version ' || f.scrapbook_version, '')
    end as reason,
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
    strftime('%Y-%m-%d %H:%M:%f', f.completed_at / 1e6, 'unixepoch') as completed_at
from "{prefix}_functions" as f
cross join clock
left join "{prefix}_replicas" as r on r.id = f.owner
left join "{prefix}_replica_types" as t
    on t.replica_id = r.id and t.type_id = f.type_id and t.version = f.version;
