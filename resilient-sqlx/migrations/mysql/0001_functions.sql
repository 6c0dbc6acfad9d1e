-- Ids are varbinary, and so are compared, ordered and limited by their bytes on MariaDB and MySQL alike, whatever the
-- server's collations are. Times are whole microseconds since 1970-01-01 UTC.

create table if not exists {functions} (
    type_id           varbinary(200) not null comment 'the function type, UTF-8',
    instance_id       varbinary(200) not null comment 'the instance of that type, UTF-8',
    status            smallint not null comment '0 executing, 1 postponed, 2 suspended, 3 succeeded, 4 failed',
    epoch             bigint not null comment 'one higher after every claim, transition and edit',
    owner             varbinary(36) null comment 'the replica that runs it; set exactly while it executes',
    attempts          bigint not null comment 'how many runs were begun',
    crashes           bigint not null comment 'how many owners were lost since the last progress',
    due_at            bigint null comment 'when it becomes due; set only while it waits',
    version           bigint not null comment 'the version of the function that it was started with',
    param             longtext character set utf8mb4 collate utf8mb4_bin not null comment 'its input, JSON',
    param_version     bigint not null comment 'the version of the type of the input',
    scrapbook         longtext character set utf8mb4 collate utf8mb4_bin null comment 'its progress, JSON',
    scrapbook_version bigint null comment 'the version of the type of the progress',
    result            longtext character set utf8mb4 collate utf8mb4_bin null comment 'its result, JSON',
    result_version    bigint null comment 'the version of the type of the result',
    failure           longtext character set utf8mb4 collate utf8mb4_bin null comment 'its failure, JSON',
    message_count     bigint not null comment 'how many messages were ever appended to it',
    created_at        bigint not null comment 'when it was created',
    updated_at        bigint not null comment 'when it was last written',
    completed_at      bigint null comment 'when it succeeded or failed',
    primary key (type_id, instance_id),
    -- What does not wait has no due time, and what does not execute has no owner: the first two indexes are read only
    -- where these are set. A save touches no index.
    key due (type_id, version, due_at),
    key executing (owner, type_id, version),
    -- What is completed, for listing and retention.
    key completed (status, completed_at),
    check (status between 0 and 4),
    check (epoch >= 0 and message_count >= 0),
    check (attempts between 0 and 4294967295),
    check (crashes between 0 and 4294967295),
    check (version between 0 and 4294967295),
    check ((status = 0) = (owner is not null)),
    check ((status = 3) = (result is not null) and (result is null) = (result_version is null)),
    check ((status = 4) = (failure is not null)),
    check ((status >= 3) = (completed_at is not null)),
    check ((scrapbook is null) = (scrapbook_version is null))
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin
  comment = 'instances of resilient functions';

create table if not exists {replicas} (
    id           varbinary(36) not null comment 'fresh for every start of a process',
    lease        bigint not null comment 'how many microseconds it counts as alive after a heartbeat',
    host         text character set utf8mb4 collate utf8mb4_bin not null comment 'the machine, for people',
    pid          bigint not null comment 'the process, for people',
    app_version  text character set utf8mb4 collate utf8mb4_bin not null comment 'the application, for people',
    started_at   bigint not null comment 'when it joined',
    heartbeat_at bigint not null comment 'its last accepted sign of life; in no index, since it changes all the time',
    primary key (id)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin
  comment = 'processes that run resilient functions';

create table if not exists {replica_types} (
    replica_id varbinary(36) not null comment 'the replica',
    position   bigint not null comment 'the order in which the replica named them, counted from 0',
    type_id    varbinary(200) not null comment 'a function type that it can run',
    version    bigint not null comment 'the version of that function',
    lease      bigint not null comment 'how many microseconds its instances count as running after a heartbeat',
    primary key (replica_id, position)
) engine = InnoDB row_format = dynamic default character set utf8mb4 collate utf8mb4_bin
  comment = 'what each replica can run';

create or replace sql security invoker view {overview} as
select
    convert(f.type_id using utf8mb4) as type_id,
    convert(f.instance_id using utf8mb4) as instance_id,
    elt(f.status + 1, 'executing', 'postponed', 'suspended', 'succeeded', 'failed') as status,
    case
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
        when f.due_at is null then 'waits for a message'
        when f.due_at > {now} then concat('waits until ', {epoch} + interval f.due_at microsecond)
        when not exists (
            select 1 from {replicas} as live join {replica_types} as runs on runs.replica_id = live.id
            where runs.type_id = f.type_id and runs.version = f.version
                and {now} - live.heartbeat_at <= live.lease
        ) then concat('no live replica runs version ', f.version, ' of this type')
        else concat('is due, and waits for a replica with a free slot that reads parameter version ',
            f.param_version, coalesce(concat(' and scrapbook version ', f.scrapbook_version), ''))
    end as reason,
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
    {epoch} + interval f.completed_at microsecond as completed_at
from {functions} as f
left join {replicas} as r on r.id = f.owner
left join (
    select replica_id, type_id, version, max(lease) as lease from {replica_types} group by replica_id, type_id, version
) as t on t.replica_id = r.id and t.type_id = f.type_id and t.version = f.version;
