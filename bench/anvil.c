#include "bench/anvil.h"

#include "base/buf.h"
#include "base/mem.h"
#include "bench/bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SECONDS 10.0
#define ANSWER_BYTES_MAX KIB(64)
#define REQUEST_BYTES_MAX KIB(256)
#define SECONDS 0.3 /* that the calls of one measurement take, at least */
#define CALLS_MAX 400
#define CONTRACT "0xc000000000000000000000000000000000000001"

struct anvil {
    pid_t pid;
    u16 port;
};

/* A port that is free now. */
static u16 free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool found = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &len) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return found ? ntohs(address.sin_port) : 0;
}

static bool send_all(int fd, bytes data)
{
    while (data.len > 0) {
        ssize_t sent = send(fd, data.data, data.len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data = bytes_slice(data, (size_t)sent, data.len - (size_t)sent);
    }
    return true;
}

/* One request on a connection of its own; the answer with its head. */
static bool post(const struct anvil *anvil, bytes body, struct buf *ret_answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(anvil->port)};
    struct buf request;
    u8 piece[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    buf_init(&request, REQUEST_BYTES_MAX);
    buf_format(&request,
               "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               "Connection: close\r\nContent-Length: %zu\r\n\r\n",
               body.len);
    buf_put(&request, body);
    bool good = fd >= 0 && is_ok(buf_done(&request)) &&
                connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                send_all(fd, buf_bytes(&request));
    for (ssize_t got = 1; good && got > 0;) {
        got = recv(fd, piece, sizeof piece, 0);
        good = got >= 0;
        buf_put(ret_answer, bytes_make(piece, got > 0 ? (size_t)got : 0));
    }
    if (fd >= 0) {
        close(fd);
    }
    buf_free(&request);
    return good && is_ok(buf_done(ret_answer));
}

static bool answers(const struct anvil *anvil, const char *body, const char *text)
{
    struct buf answer;
    buf_init(&answer, ANSWER_BYTES_MAX);
    bool good = post(anvil, bytes_str(body), &answer) &&
                bytes_find(buf_bytes(&answer), bytes_str(text)) != SIZE_MAX;
    buf_free(&answer);
    return good;
}

static void run_program(const char *program, u16 port)
{
    char port_text[8];
    snprintf(port_text, sizeof port_text, "%u", port);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execlp(program, program, "--port", port_text, "--silent", "--no-mining", "--hardfork", "prague",
           "--gas-limit", "1000000000000", (char *)NULL);
    _exit(127);
}

struct anvil *anvil_start(void)
{
    const char *program = getenv("ANVIL") != NULL ? getenv("ANVIL") : "anvil";
    struct anvil *anvil = MEM_NEW(struct anvil);
    anvil->port = free_port();
    anvil->pid = fork();
    if (anvil->pid == 0) {
        run_program(program, anvil->port);
    }
    double begin = bench_seconds();
    while (anvil->pid > 0 && bench_seconds() - begin < START_SECONDS) {
        if (waitpid(anvil->pid, NULL, WNOHANG) != 0) {
            anvil->pid = 0; /* there is no such program */
        } else if (answers(
                       anvil,
                       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\",\"params\":[]}",
                       "\"result\"")) {
            return anvil;
        }
        usleep(50000);
    }
    anvil_stop(anvil);
    return NULL;
}

/* User and system time of the process, in seconds. */
static double cpu_seconds(const struct anvil *anvil)
{
    char path[64];
    unsigned long user = 0;
    unsigned long system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)anvil->pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &system) != 2) {
            user = system = 0;
        }
        fclose(file);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double anvil_gas_per_second(struct anvil *anvil, bytes code, u64 gas)
{
    struct buf body;
    double spent = 0;
    int calls = 0;
    /* SSTORE keeps 2,300 gas and says so in its own words. */
    static const u8 sstore = 0x55;
    bool stores = bytes_find(code, BYTES_OF(sstore)) != SIZE_MAX;
    const char *ran_out = stores ? "SentryOOG" : "OutOfGas";
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_format(
        &body,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_call\",\"params\":[{\"to\":\"" CONTRACT
        "\",\"gas\":\"0x%llx\"},\"latest\",{\"" CONTRACT "\":{\"code\":\"0x",
        (unsigned long long)gas);
    buf_put_hex(&body, code);
    buf_put_str(&body, "\"}}]}");
    buf_put_u8(&body, 0);
    bool good = is_ok(buf_done(&body));
    double begin = cpu_seconds(anvil);
    while (good && spent < SECONDS && calls < CALLS_MAX) {
        good = answers(anvil, (const char *)body.data, ran_out);
        spent = cpu_seconds(anvil) - begin;
        calls++;
    }
    buf_free(&body);
    return good && spent > 0 ? (double)gas * calls / spent : 0;
}

void anvil_stop(struct anvil *anvil)
{
    if (anvil != NULL && anvil->pid > 0) {
        kill(anvil->pid, SIGKILL);
        waitpid(anvil->pid, NULL, 0);
    }
    mem_free(anvil);
}
