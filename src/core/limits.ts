/**
 * The limits on what comes from outside: requests, stack files, images, registries, repositories, DNS queries and other hosts.
 * docs/limits.md is written from this file by `npm run limits`: a comment says what is limited, and begins with the unit
 * (Bytes, Milliseconds) unless the limit is a count.
 */

const KIB = 1 << 10;
const MIB = 1 << 20;
const GIB = 1 << 30;

export const LIMITS = {
  /** Requests to bayd */
  request: {
    /** Bytes of a JSON body of the Engine API */
    body: 1 * MIB,
    /** Bytes of a JSON body of bay's own routes, which carries a whole stack with its inline files */
    stackBody: 32 * MIB,
    /** Nested arrays and objects of a JSON body */
    depth: 64,
    /** Entries of one JSON array or object */
    entries: 10_000,
    /** Milliseconds within which a JSON body must arrive */
    bodyTime: 60_000,
    /** Bytes of the request line and the headers */
    headers: 64 * KIB,
    /** Milliseconds within which the request line and the headers must arrive */
    headerTime: 20_000,
    /** Milliseconds that a connection may be idle between two requests */
    idleTime: 30_000,
    /** Bytes of the rest of a body, which is read and discarded after an error */
    drained: 64 * MIB,
    /** Requests of one connection that wait for an earlier one; while there are so many, no more are read */
    pipelined: 100,
    /** Waiting requests of one connection that closes it: one read can bring some thousands beyond `pipelined` */
    pipelinedMost: 10_000,
    /** Values of one filter */
    filterValues: 1000,
    /** Patterns of names in one filter */
    patterns: 32,
    /** Characters of a pattern */
    patternLength: 512,
    /** States of a pattern's automaton */
    patternStates: 512,
    /** Repetitions of one part of a pattern */
    patternRepeats: 255,
    /** Nested groups of a pattern */
    patternNesting: 50,
    /** Values of a parameter that can be repeated, such as names of images */
    values: 1000,
    /** Lines of a log that `tail` can name */
    tailLines: 1_000_000_000,
    /** Seconds before SIGKILL that a stop can name, about 23 days */
    graceSeconds: 2_000_000,
    /** Results of a search */
    searchResults: 10_000,
    /** Commands in containers that are stored, running or ended */
    execs: 4096,
    /** Bytes of input of attach and exec that the command has not read; the client then waits */
    unreadInput: 1 * MIB,
    /** Bytes that a client of a terminal leaves unread before output is left out */
    unsentOutput: 4 * MIB,
    /** Events kept for `since`; exec_*, top, resize, attach, detach and copies have a bound of their own, of this size, too */
    keptEvents: 1000,
    /** Characters of the events kept for `since`, for each of the two bounds */
    keptEventSize: 4 * MIB,
    /** Bytes of the action of an event, such as the command of exec_create; the rest is replaced by an ellipsis */
    eventAction: 1 * KIB,
    /** Bytes that a follower of events leaves unread before its connection is closed */
    unsentEvents: 4 * MIB,
    /** Lines that clients can cause in bayd's log in 10 seconds; more are left out */
    logLines: 50,
    /** Bytes of events that wait for one write to all followers */
    waitingEvents: 1 * MIB,
    /** Bytes that a client of stats leaves unread before samples are left out */
    unsentStats: 1 * MIB,
  },
  /** Clients of bayd's TCP ports that have not completed their TLS handshake */
  pendingClients: {
    /** Handshakes at the same time */
    all: 256,
    /** Handshakes of one address at the same time (IPv6: of one /64) */
    ofAddress: 32,
    /** New connections of one address in a second */
    rate: 100,
    /** New connections of one address at once */
    burst: 200,
    /** Addresses whose rate is remembered */
    remembered: 4096,
    /** Milliseconds for a handshake */
    handshakeTime: 10_000,
  },
  /** Stack files */
  stack: {
    /** Bytes of a stack file */
    fileBytes: 4 * MIB,
    /** YAML documents in one file */
    documents: 100,
    /** Values of a file after its aliases are expanded */
    values: 100_000,
    /** Bytes of an env file or a label file */
    listFileBytes: 1 * MIB,
    /** Bytes of one variable or label, with its name (the kernel's MAX_ARG_STRLEN) */
    entryBytes: 128 * KIB,
    /** Bytes of all variables of a service, of all its labels, and of all its annotations */
    entriesBytes: 768 * KIB,
    /** Services, networks, volumes, secrets and configs; variables, labels and annotations of each */
    parts: 1000,
    /** Entries of any other mapping or list */
    entries: 10_000,
    /** Bytes of the file of a secret or config */
    givenBytes: 1 * MIB,
    /** Bytes of one text in a request with a stack */
    text: 1 * MIB,
  },
  /** Hosts in a stack file */
  hosts: {
    /** Hosts of a stack */
    hosts: 1000,
    /** Labels of one host */
    labels: 1000,
    /** Constraints of one service */
    constraints: 100,
    /** Preferences of one service */
    preferences: 10,
    /** Characters of a constraint or of a label's name */
    words: 512,
    /** Containers of one service, and of all services together */
    containers: 10_000,
  },
  /** Images, archives and registries; the limits of layers are settings (docs/security.md) */
  image: {
    /** Bytes of one manifest or config in an archive */
    archiveDocument: 8 * MIB,
    /** Bytes of all manifests and configs of an archive together */
    archiveDocuments: 64 * MIB,
    /** Entries of an image archive */
    archiveEntries: 20_000,
    /** Bytes of all names in an image archive together */
    archiveNames: 16 * MIB,
    /** Bytes of the PAX headers of one tar entry */
    tarMetadata: 1 * MIB,
    /** Bytes of a name in a tar archive (the kernel's PATH_MAX) */
    tarName: 4096,
    /** Parts of a sparse file in a tar archive */
    sparseParts: 1 << 20,
    /** Bytes of a response of a registry other than a blob */
    answer: 4 * MIB,
    /** Bytes of an image config from a registry */
    config: 8 * MIB,
    /** Redirects of a registry's response */
    redirects: 5,
    /** Redirects of a download (ADD, archives) */
    downloadRedirects: 10,
    /** Pages of a registry's catalogue */
    cataloguePages: 100,
    /** Files of an image that is made from files of the host */
    hostFiles: 200_000,
    /** Layers of an exported build cache */
    cacheLayers: 500,
  },
  /** DNS queries of one container */
  dns: {
    /** Bytes of a query */
    query: 1232,
    /** Bytes of a response over UDP */
    udpAnswer: 4096,
    /** Queries in one second, and at once; the kernel drops the excess */
    perSecond: 5000,
    /** Connections over TCP at the same time */
    connections: 16,
    /** New connections over TCP in one second */
    connectionsPerSecond: 100,
    /** Queries of one connection that wait for a response */
    waiting: 32,
    /** Queries of one container that wait for upstream servers, while other containers wait too */
    open: 1024,
    /** Queries of all containers that wait for upstream servers */
    openOfAll: 8192,
    /** Addresses in one response */
    addresses: 2000,
  },
  /** Published ports that bayd forwards itself */
  ports: {
    /** Clients of one UDP port at the same time */
    udpClients: 1024,
  },
  /** Output and files of containers */
  container: {
    /** Bytes of one line of a log; a longer one is returned in parts */
    logLine: 1 * MIB,
    /** Bytes of the output of a health check that are kept */
    probeOutput: 4096,
    /** Bytes of the output of a hook that are kept */
    hookOutput: 4096,
  },
  /** Watch mode */
  watch: {
    /** Sessions at the same time */
    sessions: 100,
    /** Bytes of the files of one batch */
    batchBytes: 32 * MIB,
    /** Bytes of the list of operations of one batch */
    batchList: 8 * MIB,
    /** Operations of one batch */
    operations: 10_000,
    /** Milliseconds that writing a batch may take */
    batchTime: 120_000,
    /** Containers whose files are synchronised at the same time */
    workers: 32,
    /** Paths of one container that are remembered, so that they can be removed later */
    paths: 500_000,
  },
  /** Hosts of a cluster */
  cluster: {
    /** Hosts of a cluster */
    members: 1000,
    /** Unused tokens */
    tokens: 1000,
    /** Connections to the port for other hosts */
    connections: 4096,
    /** Connections at the same time from hosts that are not members */
    strangers: 64,
    /** Connections of one address at the same time from hosts that are not members; the oldest is closed */
    strangersOfAddress: 16,
    /** TLS handshakes of one address at the same time on the port for other hosts; the oldest is closed */
    handshakesOfAddress: 128,
    /** Milliseconds for a request of a host that is not a member */
    strangerTime: 30_000,
    /** Bytes of a request to join */
    joinBody: 64 * KIB,
    /** Bytes of a response of another host that is not a stream */
    answer: 64 * MIB,
    /** Bytes of one message of the stream between hosts */
    message: 4 * MIB,
    /** Bytes that a peer leaves unread before its stream is closed */
    unsent: 8 * MIB,
    /** Containers of one host */
    containers: 100_000,
    /** Images in the state of one host */
    images: 10_000,
  },
  /** Followed git repositories */
  gitops: {
    /** Sources of a gitops document */
    sources: 200,
    /** Bytes of a gitops document */
    documentBytes: 1 * MIB,
    /** Bytes that a repository sends for one commit */
    packBytes: 1 * GIB,
    /** Files of a commit */
    files: 50_000,
    /** Bytes of one file of a commit */
    fileBytes: 100 * MIB,
    /** Bytes of all files of a commit */
    totalBytes: 512 * MIB,
    /** Bytes of the stack of a commit */
    stackBytes: 32 * MIB,
    /** Bytes of a stack file to which newer images are written */
    editedBytes: 1 * MIB,
    /** Encrypted files of a commit */
    encryptedFiles: 200,
    /** Bytes of one encrypted file */
    encryptedBytes: 2 * MIB,
    /** Nesting of an encrypted file */
    encryptedDepth: 100,
    /** Notifications that wait */
    notifications: 200,
    /** Attempts to send a notification */
    notificationTries: 8,
    /** Characters of a webhook's secret */
    secret: 1024,
    /** Deliveries of webhooks that are remembered */
    deliveries: 10_000,
  },
  /** Stack files in git repositories and registries */
  remoteFiles: {
    /** Addresses of one stack */
    addresses: 100,
    /** Levels of includes: fetched files that name further addresses */
    rounds: 16,
    /** Parts of an artifact */
    artifactParts: 100,
    /** Bytes of one part of an artifact */
    artifactPart: 1 * MIB,
  },
  /** The listener for webhooks */
  webhooks: {
    /** Connections at the same time */
    connections: 128,
    /** Connections of one address at the same time */
    ofAddress: 32,
    /** Bytes of a request */
    body: 5 * MIB,
    /** Milliseconds within which the headers must arrive */
    headersTime: 10_000,
    /** Milliseconds within which the request must arrive */
    requestTime: 20_000,
  },
  /** Certificates and addresses */
  identity: {
    /** Bytes of a PEM file */
    pem: 1 * MIB,
    /** Characters of the address of a bayd */
    address: 1024,
  },
} as const;
