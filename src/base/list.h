/* list.h: intrusive doubly linked lists. An empty list points to itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *head) { head->next = head->prev = head; }
static inline _Bool list_empty(const struct list *head) { return head->next == head; }

static inline void list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}

/* list_remove: safe to call again on the removed node. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define list_for(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* list_for_safe: the body may remove `it`. */
#define list_for_safe(it, head)                                                                    \
    for (struct list *it = (head)->next, *it##_next_ = it->next; it != (head);                     \
         it = it##_next_, it##_next_ = it->next)

#endif
