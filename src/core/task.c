/* One job beside the caller: the video encoder works on a frame while the next is rendered. */
#include "talkgen/core.h"

#include <pthread.h>
#include <stdlib.h>

struct tg_task {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tg_task_fn *fn; /* NULL while idle */
    void *arg;
    bool quit;
};

static void *task_main(void *arg) {
    tg_task *task = arg;
    pthread_mutex_lock(&task->lock);
    for (;;) {
        while (!task->fn && !task->quit)
            pthread_cond_wait(&task->changed, &task->lock);
        if (!task->fn)
            break;
        tg_task_fn *fn = task->fn;
        void *fn_arg = task->arg;
        pthread_mutex_unlock(&task->lock);
        fn(fn_arg);
        pthread_mutex_lock(&task->lock);
        task->fn = NULL;
        pthread_cond_broadcast(&task->changed);
    }
    pthread_mutex_unlock(&task->lock);
    return NULL;
}

tg_task *tg_task_create(void) {
    tg_task *task = calloc(1, sizeof *task);
    if (!task)
        return NULL;
    pthread_mutex_init(&task->lock, NULL);
    pthread_cond_init(&task->changed, NULL);
    if (pthread_create(&task->thread, NULL, task_main, task) != 0) {
        pthread_cond_destroy(&task->changed);
        pthread_mutex_destroy(&task->lock);
        free(task);
        return NULL;
    }
    return task;
}

void tg_task_wait(tg_task *task) {
    pthread_mutex_lock(&task->lock);
    while (task->fn)
        pthread_cond_wait(&task->changed, &task->lock);
    pthread_mutex_unlock(&task->lock);
}

void tg_task_start(tg_task *task, tg_task_fn *fn, void *arg) {
    pthread_mutex_lock(&task->lock);
    while (task->fn)
        pthread_cond_wait(&task->changed, &task->lock);
    task->fn = fn;
    task->arg = arg;
    pthread_cond_broadcast(&task->changed);
    pthread_mutex_unlock(&task->lock);
}

void tg_task_destroy(tg_task **task) {
    if (!task || !*task)
        return;
    tg_task *t = *task;
    tg_task_wait(t);
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *task = NULL;
}
