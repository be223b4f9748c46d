/* A Kerberos peer made of libkrb5 alone, MIT's or, with -DHEIMDAL, Heimdal's: the other half of our application servers, and of our KDC's MTA-FQDN client.
 * Built and run by the tests, which speak hexadecimal lines with it.
 *
 *   peer ap CCACHE SERVICE subkey|plain
 *       prints "key ETYPE HEX" (the session key), "own ETYPE HEX" (the client's subkey) where there is one, "out HEX" (an AP-REQ that asks for
 *       an AP-REP); reads the AP-REP as one line; prints "subkey ETYPE HEX" of it.
 *   peer fqdn CCACHE SERVICE CKSUMTYPE subkey|plain HEX
 *       prints "out HEX": an AP-REQ and a KRB-SAFE with that user-data; reads the answer; prints "data HEX".
 *   peer serve KEYTAB PORT HEX
 *       is a provisioning server's MTA-FQDN service: answers every request with that user-data, and prints
 *       "request CLIENT HEX" for each.
 */
#include <krb5.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifdef HEIMDAL
#define TYPE(key) ((key).keytype)
#define OCTETS(key) (key).keyvalue.data, (key).keyvalue.length
#define SESSION(creds) ((creds)->session)
#define set_checksum_type krb5_auth_con_setcksumtype
#define own_subkey krb5_auth_con_getlocalsubkey
#else
#define TYPE(key) ((key).enctype)
#define OCTETS(key) (key).contents, (key).length
#define SESSION(creds) ((creds)->keyblock)
#define set_checksum_type krb5_auth_con_set_safe_cksumtype
#define own_subkey krb5_auth_con_getsendsubkey
/* Exported by libkrb5, declared in none of its public headers. */
krb5_error_code krb5_auth_con_set_safe_cksumtype(krb5_context, krb5_auth_context, krb5_cksumtype);
#endif

static krb5_context ctx;

static void check(krb5_error_code code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "peer: %s: %s\n", what, krb5_get_error_message(ctx, code));
    exit(1);
}

static void put(const char *word, const void *data, size_t length)
{
    const unsigned char *octets = data;
    printf("%s ", word);
    for (size_t at = 0; at < length; at++)
        printf("%02x", octets[at]);
    printf("\n");
    fflush(stdout);
}

static void put_key(const char *word, int type, const void *data, size_t length)
{
    char head[64];
    snprintf(head, sizeof head, "%s %d", word, type);
    put(head, data, length);
}

static krb5_data make(void *octets, size_t length)
{
    krb5_data data;
    memset(&data, 0, sizeof data);
    data.data = octets;
    data.length = length;
    return data;
}

static krb5_data unhex(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef") / 2;
    char *octets = malloc(length + 1);
    for (size_t at = 0; at < length; at++) {
        unsigned int octet;
        sscanf(text + 2 * at, "%2x", &octet);
        octets[at] = (char)octet;
    }
    return make(octets, length);
}

static krb5_data line(void)
{
    static char text[1 << 17];
    if (fgets(text, sizeof text, stdin) == NULL)
        exit(1);
    return unhex(text);
}

/* The first DER element of `all`, and what follows it. */
static krb5_data first(krb5_data all, krb5_data *rest)
{
    const unsigned char *octets = (const unsigned char *)all.data;
    size_t head = 2, length = octets[1];
    if (length & 0x80) {
        head = 2 + (length & 0x7f);
        length = 0;
        for (size_t at = 2; at < head; at++)
            length = length << 8 | octets[at];
    }
    size_t whole = head + length;
    *rest = make((char *)all.data + whole, all.length - whole);
    return make(all.data, whole);
}

static krb5_address loopback(void)
{
    static unsigned char octets[4] = { 127, 0, 0, 1 };
    krb5_address address;
    memset(&address, 0, sizeof address);
#ifdef HEIMDAL
    address.addr_type = KRB5_ADDRESS_INET;
    address.address = make(octets, 4);
#else
    address.addrtype = ADDRTYPE_INET;
    address.length = 4;
    address.contents = octets;
#endif
    return address;
}

/* An AP-REQ for `service` with what `ccache` holds. */
static krb5_data request(krb5_auth_context *ac, const char *ccache, const char *service, int subkey)
{
    krb5_ccache cache;
    krb5_creds in, *out;
    krb5_data message;
    memset(&in, 0, sizeof in);
    check(krb5_cc_resolve(ctx, ccache, &cache), "ccache");
    check(krb5_cc_get_principal(ctx, cache, &in.client), "client");
    check(krb5_parse_name(ctx, service, &in.server), "service");
    check(krb5_get_credentials(ctx, 0, cache, &in, &out), "ticket");
    check(krb5_auth_con_init(ctx, ac), "auth context");
    check(krb5_auth_con_setflags(ctx, *ac, KRB5_AUTH_CONTEXT_DO_SEQUENCE), "flags");
    krb5_address local = loopback();
    check(krb5_auth_con_setaddrs(ctx, *ac, &local, NULL), "address");
    krb5_flags options = AP_OPTS_MUTUAL_REQUIRED | (subkey ? AP_OPTS_USE_SUBKEY : 0);
    check(krb5_mk_req_extended(ctx, ac, options, NULL, out, &message), "AP-REQ");
    put_key("key", TYPE(SESSION(out)), OCTETS(SESSION(out)));
    return message;
}

static void put_subkey(krb5_auth_context ac)
{
    krb5_keyblock *key = NULL;
    check(own_subkey(ctx, ac, &key), "subkey");
    if (key != NULL)
        put_key("own", TYPE(*key), OCTETS(*key));
}

static int ap(char **args)
{
    krb5_auth_context ac = NULL;
    krb5_ap_rep_enc_part *part;
    krb5_data message = request(&ac, args[0], args[1], strcmp(args[2], "subkey") == 0);
    put_subkey(ac);
    put("out", message.data, message.length);
    krb5_data reply = line();
    check(krb5_rd_rep(ctx, ac, &reply, &part), "AP-REP");
    if (part->subkey != NULL)
        put_key("subkey", TYPE(*part->subkey), OCTETS(*part->subkey));
    return 0;
}

static int fqdn(char **args)
{
    krb5_auth_context ac = NULL;
    krb5_ap_rep_enc_part *part;
    krb5_data message = request(&ac, args[0], args[1], strcmp(args[3], "subkey") == 0);
    krb5_data data = unhex(args[4]), safe, rest, opened;
    int type = atoi(args[2]);
    if (type != 0)
        check(set_checksum_type(ctx, ac, type), "checksum type");
    check(krb5_mk_safe(ctx, ac, &data, &safe, NULL), "KRB-SAFE");
    char *both = malloc(message.length + safe.length);
    memcpy(both, message.data, message.length);
    memcpy(both + message.length, safe.data, safe.length);
    put("out", both, message.length + safe.length);
    krb5_data answer = line();
    krb5_data reply = first(answer, &rest);
    check(krb5_rd_rep(ctx, ac, &reply, &part), "AP-REP");
    check(krb5_rd_safe(ctx, ac, &rest, &opened, NULL), "KRB-SAFE of the answer");
    put("data", opened.data, opened.length);
    return 0;
}

static int serve(char **args)
{
    krb5_keytab keytab;
    krb5_data data = unhex(args[2]);
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(atoi(args[1])) };
    inet_pton(AF_INET, "127.0.0.1", &own.sin_addr);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) {
        perror("peer: bind");
        return 1;
    }
    check(krb5_kt_resolve(ctx, args[0], &keytab), "keytab");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        static char buffer[1 << 16];
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
        if (got < 4)
            continue;
        krb5_data all = make(buffer, got), rest, opened, reply, safe;
        krb5_data req = first(all, &rest);
        krb5_auth_context ac = NULL;
        krb5_ticket *ticket = NULL;
        char *client;
        check(krb5_auth_con_init(ctx, &ac), "auth context");
        check(krb5_auth_con_setflags(ctx, ac, KRB5_AUTH_CONTEXT_DO_SEQUENCE), "flags");
        krb5_address local = loopback();
        check(krb5_auth_con_setaddrs(ctx, ac, &local, NULL), "address");
        check(krb5_rd_req(ctx, &ac, &req, NULL, keytab, NULL, &ticket), "AP-REQ");
        check(krb5_rd_safe(ctx, ac, &rest, &opened, NULL), "KRB-SAFE");
        #ifdef HEIMDAL
        check(krb5_unparse_name(ctx, ticket->client, &client), "client");
#else
        check(krb5_unparse_name(ctx, ticket->enc_part2->client, &client), "client");
#endif
        char word[512];
        snprintf(word, sizeof word, "request %s", client);
        put(word, opened.data, opened.length);
        check(krb5_mk_rep(ctx, ac, &reply), "AP-REP");
        check(krb5_mk_safe(ctx, ac, &data, &safe, NULL), "KRB-SAFE of the answer");
        char *both = malloc(reply.length + safe.length);
        memcpy(both, reply.data, reply.length);
        memcpy(both + reply.length, safe.data, safe.length);
        sendto(fd, both, reply.length + safe.length, 0, (struct sockaddr *)&from, length);
        free(both);
    }
}

int main(int count, char **args)
{
    check(krb5_init_context(&ctx), "krb5.conf");
    if (count == 5 && strcmp(args[1], "ap") == 0)
        return ap(args + 2);
    if (count == 7 && strcmp(args[1], "fqdn") == 0)
        return fqdn(args + 2);
    if (count == 5 && strcmp(args[1], "serve") == 0)
        return serve(args + 2);
    fprintf(stderr, "peer: wrong use\n");
    return 2;
}
